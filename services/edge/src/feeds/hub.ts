import { RESERVED_PREFIX } from '@sluice/protocol';
import type { Org, SessionKey } from '@sluice/protocol';
import type { WatchLoad } from '../tally/edge-stats.ts';
import type { FeedContext } from './feed-context.ts';
import { Feed } from './feed.ts';

export const TICK_MS = 500;

/** The sessions that are watched on this edge: session -> feed. Feeds linger after their last viewer. */
export class Hub {
  readonly #context: FeedContext;
  readonly #lingerMs: number;
  readonly #feeds = new Map<string, Feed>();

  constructor(context: FeedContext, lingerMs: number) {
    this.#context = context;
    this.#lingerMs = lingerMs;
    context.store.onReplaced(() => {
      for (const feed of this.#feeds.values()) feed.reset();
    });
  }

  get sessions(): number {
    return this.#feeds.size;
  }

  get viewers(): number {
    let viewers = 0;
    for (const feed of this.#feeds.values()) viewers += feed.viewers;
    return viewers;
  }

  /** What people watch here; the system's own sessions are left out. @param org undefined: of all orgs */
  load(org?: Org): WatchLoad {
    let [sessions, viewers, unacked] = [0, 0, 0];
    for (const feed of this.#feeds.values()) {
      if ((org !== undefined && feed.key.org !== org) || feed.key.session.startsWith(RESERVED_PREFIX))
        continue;
      sessions += 1;
      viewers += feed.viewers;
      unacked += feed.unacked;
    }
    return { sessions, viewers, unacked };
  }

  /** The session's feed; it opens with its first viewer. */
  feed(key: SessionKey): Feed {
    const path = `${key.org}.${key.session}`;
    const feed = this.#feeds.get(path) ?? new Feed(key, this.#context);
    this.#feeds.set(path, feed);
    return feed;
  }

  tick(now: number): void {
    this.#context.store.tick(now);
    for (const [path, feed] of this.#feeds) {
      feed.tick(now);
      if (feed.idleSince === undefined || now - feed.idleSince < this.#lingerMs) continue;
      feed.close();
      this.#feeds.delete(path);
    }
  }

  /** The link to NATS was down: every feed may have missed something. */
  recheck(): void {
    this.#context.store.doubt();
    this.#context.store.tick(this.#context.clock.now());
    for (const feed of this.#feeds.values()) feed.recheck();
  }

  close(): void {
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }
}
