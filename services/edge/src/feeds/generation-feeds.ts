import type { GenerationVersion } from '@sluice/bus';
import { parseGenerationId } from '@sluice/protocol';
import type { SessionKey } from '@sluice/protocol';
import type { FeedContext } from './feed-context.ts';
import { GenerationFeed } from './generation-feed.ts';
import type { Viewer } from './viewer.ts';

/** A finished generation stays in memory this long after its last sign of life, ms. */
const FINISHED_LINGER_MS = 30_000;

/** The generations of one session whose tokens are served here: those that run, and those that a viewer named. */
export class GenerationFeeds {
  readonly #key: SessionKey;
  readonly #context: FeedContext;
  /** made when needed: most sessions that are watched are silent */
  #feeds: Map<string, GenerationFeed> | undefined;

  constructor(key: SessionKey, context: FeedContext) {
    this.#key = key;
    this.#context = context;
  }

  /** Tokens sent to viewers here that owe an ack for them. */
  get unacked(): number {
    let unacked = 0;
    for (const generation of this.#feeds?.values() ?? []) unacked += generation.unacked;
    return unacked;
  }

  get(id: string): GenerationFeed | undefined {
    return this.#feeds?.get(id);
  }

  /** The feed of a generation in this state. */
  of(state: GenerationVersion): GenerationFeed {
    const known = this.#feeds?.get(state.item.id);
    if (known !== undefined) {
      known.onItem(state);
      return known;
    }
    const key = { ...this.#key, generation: parseGenerationId(state.item.id) };
    const generation = new GenerationFeed(key, state, this.#context);
    (this.#feeds ??= new Map<string, GenerationFeed>()).set(state.item.id, generation);
    return generation;
  }

  /** A version was heard of. A generation that is new here starts at 0 for everyone who is attached and wants it. */
  changed(state: GenerationVersion, audience: Iterable<Viewer>): void {
    const { item } = state;
    const known = this.#feeds?.get(item.id);
    if (known !== undefined) return known.onItem(state);
    const viewers = [...audience].filter((viewer) => viewer.ready && viewer.wants(item));
    if (viewers.length === 0 && item.status === 'done') return;
    const generation = this.of(state);
    for (const viewer of viewers) generation.attach(viewer);
  }

  /** Finished generations that the viewer named: it wants their missing tokens and their end (R7). */
  async named(viewer: Viewer): Promise<GenerationVersion[]> {
    const states: GenerationVersion[] = [];
    const named = viewer.only === undefined ? viewer.positions.keys() : [viewer.only];
    for (const id of named) {
      if (this.#feeds?.has(id) === true) continue;
      const stored = await this.#context.bus.sessions.item(this.#key, parseGenerationId(id));
      if (stored?.item.kind === 'generation') states.push({ rev: stored.rev, item: stored.item });
    }
    return states;
  }

  /** Begins to serve a viewer, also what it named. */
  serve(viewer: Viewer, named: readonly GenerationVersion[]): void {
    for (const state of named) this.of(state);
    for (const [id, generation] of this.#feeds ?? [])
      if (viewer.wants(generation.item)) generation.attach(viewer, viewer.positions.get(id));
  }

  detach(viewer: Viewer): void {
    for (const generation of this.#feeds?.values() ?? []) generation.detach(viewer);
  }

  /** Whether the viewer's acks count has changed. */
  regard(viewer: Viewer): void {
    for (const generation of this.#feeds?.values() ?? []) generation.regard(viewer);
  }

  /** The viewer's socket has room again. */
  resume(viewer: Viewer): void {
    for (const generation of this.#feeds?.values() ?? []) generation.resume(viewer);
  }

  /** Called about once a second. */
  tick(now: number): void {
    for (const [id, generation] of this.#feeds ?? []) {
      generation.tick(now);
      if (generation.isFinished && now - generation.activeAt > FINISHED_LINGER_MS) this.delete(id);
    }
  }

  /** Live records may have been missed. */
  recheck(): void {
    for (const generation of this.#feeds?.values() ?? []) generation.recheck();
  }

  delete(id: string): void {
    this.#feeds?.get(id)?.close();
    this.#feeds?.delete(id);
    if (this.#feeds?.size === 0) this.#feeds = undefined;
  }

  /** Serves none any more. Idempotent. */
  clear(): void {
    for (const generation of this.#feeds?.values() ?? []) generation.close();
    this.#feeds = undefined;
  }
}
