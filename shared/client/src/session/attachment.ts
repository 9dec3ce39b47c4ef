import type { Position, SubscribedFrame, SubscribeFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import type { EdgeConnection, SessionFrame, SessionListener } from '../connection/edge-connection.ts';
import { DetachedError, ProtocolError, RequestError } from '../errors.ts';
import { AckSender } from '../generation/ack-sender.ts';
import type { Track } from '../generation/track.ts';
import { SessionView } from './session-view.ts';

type AttachmentOptions = {
  readonly clock: Clock;
  readonly connection: EdgeConnection;
  /** default of {@link Watch} */
  readonly window: number;
};

/** How a session is watched. `window`: most un-acked delta frames in flight, 1..256. */
export type Watch = { readonly observe: boolean; readonly window: number };

type Waiter = { readonly resolve: () => void; readonly reject: (error: Error) => void };

/** Before trying again after a refusal that names no delay, ms. */
const RETRY_MS = 1_000;

/**
 * This client as a viewer of one session: subscribes, follows pages, and comes back after a reconnect to where
 * it was. Deltas count only between a `subscribed` and the next `subscribe`: what is in flight around a
 * repeated subscription would overlap with what that one asks for.
 */
export class Attachment implements SessionListener {
  readonly session: string;
  readonly view = new SessionView();
  readonly #clock: Clock;
  readonly #connection: EdgeConnection;
  readonly #defaultWindow: number;
  readonly #acks: AckSender;
  #phase: 'detached' | 'subscribing' | 'attached' = 'detached';
  /** undefined when nobody wants the session */
  #wanted: Watch | undefined;
  /** what the last `subscribe` asked for */
  #asked: Watch | undefined;
  /** the application subscribed, so the session is kept when the last follower leaves */
  #isExplicit = false;
  #followers = 0;
  /** everything up to here is known */
  #rev = 0;
  /** announced while pages were still missing */
  #newestRev = 0;
  #hasLostStore = false;
  #waiters: Waiter[] = [];
  #cancelRetry: () => void = () => undefined;

  constructor(session: string, { clock, connection, window }: AttachmentOptions) {
    this.session = session;
    this.#clock = clock;
    this.#connection = connection;
    this.#defaultWindow = window;
    this.#acks = new AckSender(session, { clock, uplink: connection });
  }

  /** why nothing will ever come again */
  get failure(): Error | undefined {
    return this.#connection.closed;
  }

  /**
   * Resolves when every item is here; a refusal that may pass is retried and told as an `error` event.
   * @throws RequestError, ClosedError, DetachedError
   */
  subscribe({ observe = false, window = this.#defaultWindow }: Partial<Watch>): Promise<void> {
    this.#isExplicit = true;
    return this.#watch({ observe, window });
  }

  /**
   * Looks at the session once every item is here; it is let go afterwards, unless somebody wants it by then.
   * @throws as `subscribe`
   */
  async peek<Found>(look: () => Found): Promise<Found> {
    this.#followers += 1;
    try {
      await this.#watch(this.#wanted ?? { observe: false, window: this.#defaultWindow });
      return look();
    } finally {
      this.#unfollow();
    }
  }

  #watch(wanted: Watch): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.#wanted = wanted;
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (this.#phase === 'detached') this.#subscribe();
      else if (this.#phase === 'attached') this.#settle();
    });
  }

  /** Resolves when the server let go, or the connection that knew of it is gone. */
  async unsubscribe(): Promise<void> {
    this.#isExplicit = false;
    this.view.fail((generation) => new DetachedError(generation));
    this.#reject(new DetachedError(this.session));
    await this.#leave();
  }

  /** The track of a generation, for somebody who calls `release` when done with it. */
  follow(generation: string): Track {
    const track = this.view.track(generation);
    this.#followers += 1;
    track.follow();
    if (this.failure !== undefined) return track;
    this.#wanted ??= { observe: false, window: this.#defaultWindow };
    if (this.#phase === 'detached') this.#subscribe();
    return track;
  }

  release(track: Track): void {
    track.release(this.#clock.now());
    this.#acks.look(track);
    this.view.forgetUnknown(track);
    this.#unfollow();
  }

  #unfollow(): void {
    this.#followers -= 1;
    if (this.#followers === 0 && !this.#isExplicit) void this.#leave();
  }

  /** An iterator of the application is through with everything up to there; the furthest one counts. */
  consumed(track: Track, { epoch, seq }: Position): void {
    // What was read before a restart says nothing about the new text.
    if (track.ackPolicy !== 'consumed' || epoch !== track.transcript.position.epoch) return;
    track.acker?.processed(seq, this.#clock.now());
    this.#acks.look(track);
  }

  /** Asks for everything that changed, on a live attachment as well. */
  refresh(): void {
    if (this.#phase === 'attached') this.#subscribe();
  }

  live(): void {
    if (this.#wanted !== undefined) this.#subscribe();
  }

  lost(): void {
    this.#detach();
  }

  /** The client is closed for good. */
  closed(error: Error): void {
    this.#wanted = undefined;
    this.#detach();
    this.#reject(error);
    this.view.fail(() => error);
  }

  failed(error: Error): void {
    this.view.events.emit('error', error);
  }

  /** @throws ProtocolError when the frame contradicts what came before it */
  receive(frame: SessionFrame): void {
    if (this.#wanted === undefined) return;
    const { view } = this;
    switch (frame.type) {
      case 'subscribed':
        return this.#subscribed(frame);
      case 'item':
        if (this.#phase === 'attached') this.#rev = Math.max(this.#rev, frame.rev);
        else this.#newestRev = Math.max(this.#newestRev, frame.rev);
        return view.put(frame.item, 'item');
      case 'presence': {
        const { type: _type, session: _session, ...presence } = frame;
        return view.watched(presence);
      }
      case 'signal':
        return view.events.emit('signal', { user: frame.user, data: frame.data });
      default:
        if (this.#phase === 'attached') this.#acks.look(view.advance(frame, this.#clock.now()));
    }
  }

  #subscribe(): void {
    this.#cancelRetry();
    const watch = this.#wanted;
    if (!this.#connection.isLive || watch === undefined) return;
    this.#phase = 'subscribing';
    this.#asked = watch;
    this.#connection.request(this.#subscribeFrame(watch)).catch((error: Error) => this.#refused(error));
  }

  #subscribeFrame({ observe, window }: Watch): SubscribeFrame {
    const positions = this.view.positions();
    return {
      type: 'subscribe',
      session: this.session,
      ...(this.#rev === 0 ? {} : { rev: this.#rev }),
      ...(Object.keys(positions).length === 0 ? {} : { positions }),
      ...(observe ? { observe } : { window }),
    };
  }

  #subscribed({ rev, viewers, present, items, more }: SubscribedFrame): void {
    this.view.watched({ viewers, ...(present && { present }) });
    const isAwaited = this.#phase === 'subscribing';
    if (isAwaited && rev < this.#rev) return this.#startOver();
    if (more === true && rev <= this.#rev) throw new ProtocolError('subscribed: a page that leads nowhere');
    for (const item of items) this.view.put(item, 'subscribed');
    this.#rev = Math.max(this.#rev, rev);
    if (!isAwaited) return;
    if (more === true) return this.#subscribe();
    this.#attached();
  }

  /** The server knows less than it once did, so its store was lost: nothing held here can be trusted. */
  #startOver(): void {
    this.view.items.clear();
    this.#rev = 0;
    this.#newestRev = 0;
    this.#hasLostStore = true;
    this.#subscribe();
  }

  #attached(): void {
    const { view } = this;
    this.#phase = 'attached';
    this.#rev = Math.max(this.#rev, this.#newestRev);
    view.attached(this.#asked?.observe === true ? undefined : this.#asked?.window);
    if (this.#hasLostStore) {
      this.#hasLostStore = false;
      for (const [id, track] of view.tracks)
        if (view.items.get(id) === undefined) track.fail(new RequestError(lostGeneration));
    }
    this.#settle();
  }

  /** Everything is here; unless the application meanwhile wants to watch in another way. */
  #settle(): void {
    const { observe, window } = this.#wanted ?? {};
    if (observe !== this.#asked?.observe || window !== this.#asked?.window) return this.#subscribe();
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
  }

  #refused(error: Error): void {
    // A connection that was lost is no refusal: `live` asks again.
    if (!(error instanceof RequestError) || this.#wanted === undefined) return;
    this.#detach();
    if (error.retryable) {
      // What does not answer now will later: whoever waits for the session goes on waiting, and is told.
      this.view.events.emit('error', error);
      const ms = (error.retryAfterMs ?? RETRY_MS) * (1 + this.#clock.random());
      this.#cancelRetry = this.#clock.after(ms, () => this.#subscribe());
      return;
    }
    if (this.#waiters.length === 0) this.view.events.emit('error', error);
    this.#reject(error);
    this.#wanted = undefined;
    this.#isExplicit = false;
    this.view.fail(() => error);
  }

  #reject(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  async #leave(): Promise<void> {
    if (this.#wanted === undefined) return;
    this.#wanted = undefined;
    this.#detach();
    if (!this.#connection.isLive) return;
    try {
      await this.#connection.request({ type: 'unsubscribe', session: this.session });
    } catch {
      // The connection that knew of the subscription is gone, or the server never had it: detached either way.
    }
  }

  #detach(): void {
    this.#phase = 'detached';
    this.#newestRev = 0;
    this.#cancelRetry();
    this.#acks.clear();
    this.view.detached();
  }
}

const lostGeneration = {
  code: 'not_found',
  message: 'the server lost this generation',
  retryable: false,
} as const;
