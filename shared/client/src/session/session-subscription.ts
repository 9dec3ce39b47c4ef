import type { Position, SubscribedFrame, SubscribeFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import type { EdgeConnection } from '../connection/edge-connection.ts';
import type { SessionFrame, SessionListener } from '../connection/session-listener.ts';
import type { ClosedError } from '../errors.ts';
import { DetachedError, RequestError } from '../errors.ts';
import { AckSender } from '../generation/ack-sender.ts';
import type { GenerationOwner } from '../generation/generation.ts';
import type { Track } from '../generation/track.ts';
import { SessionView } from './session-view.ts';
import { INITIAL_SUBSCRIBE_STATE, stepSubscribe } from './subscribe-state.ts';
import type { SubscribeAction, SubscribeEvent, SubscribeOptions, SubscribeState } from './subscribe-state.ts';

type SessionSubscriptionOptions = {
  readonly clock: Clock;
  readonly connection: EdgeConnection;
  /** default of {@link SubscribeOptions} */
  readonly window: number;
};

type Waiter = { readonly resolve: () => void; readonly reject: (error: Error) => void };

/** Before trying again after a refusal that names no delay, ms. */
const RETRY_MS = 1_000;

/**
 * This client as a viewer of one session: carries out what the subscribe machine says. Deltas count only
 * between a `subscribed` and the next `subscribe`: what is in flight around a repeated subscription would
 * overlap with what that one asks for.
 */
export class SessionSubscription implements SessionListener, GenerationOwner {
  readonly session: string;
  readonly view = new SessionView();
  readonly #clock: Clock;
  readonly #connection: EdgeConnection;
  readonly #defaults: SubscribeOptions;
  readonly #acks: AckSender;
  #state: SubscribeState;
  #waiters: Waiter[] = [];
  /** resolves when the last `unsubscribe` was answered, or never will be */
  #left: Promise<void> | undefined;
  #cancelRetry: () => void = () => undefined;

  constructor(session: string, { clock, connection, window }: SessionSubscriptionOptions) {
    this.session = session;
    this.#clock = clock;
    this.#connection = connection;
    this.#defaults = { observe: false, window };
    this.#acks = new AckSender(session, { clock, uplink: connection });
    this.#state = { ...INITIAL_SUBSCRIBE_STATE, isLive: connection.isLive };
  }

  /**
   * Resolves when every item is here; a refusal that may pass is retried and told as an `error` event.
   * @throws RequestError, ClosedError, DetachedError
   */
  subscribe(options: Partial<SubscribeOptions>): Promise<void> {
    return this.#settled({ type: 'subscribe', options: { ...this.#defaults, ...options } });
  }

  /**
   * Looks at the session once every item is here; it is let go afterwards, unless somebody wants it by then.
   * @throws as `subscribe`
   */
  async peek<Found>(look: () => Found): Promise<Found> {
    const settled = this.#settled({ type: 'follow', options: this.#defaults });
    try {
      await settled;
      return look();
    } finally {
      this.#step({ type: 'unfollow' });
    }
  }

  /** Resolves when the server let go, or the connection that knew of it is gone. */
  async unsubscribe(): Promise<void> {
    this.#fail(new DetachedError(`session ${this.session}`));
    this.#step({ type: 'unsubscribe' });
    await this.#left;
  }

  /** The track of a generation, for somebody who calls `release` when done with it. */
  follow(generation: string): Track {
    const track = this.view.track(generation);
    track.follow();
    this.#step({ type: 'follow', options: this.#defaults });
    return track;
  }

  /** why nothing will ever come again */
  get failure(): Error | undefined {
    return this.#connection.closed;
  }

  async cancel({ id: generation }: Track): Promise<void> {
    await this.#connection.request({ type: 'cancel', session: this.session, generation });
  }

  release(track: Track): void {
    track.release(this.#clock.now());
    this.#acks.look(track);
    this.view.forgetUnknown(track);
    this.#step({ type: 'unfollow' });
  }

  /** An iterator of the application is through with everything up to there; the furthest one counts. */
  consumed(track: Track, { epoch, seq }: Position): void {
    // What was read before a restart says nothing about the new text.
    if (track.ackPolicy !== 'consumed' || epoch !== track.content.position.epoch) return;
    track.acks?.processed(seq, this.#clock.now());
    this.#acks.look(track);
  }

  /** Asks for everything that changed, on a live subscription as well. */
  refresh(): void {
    this.#step({ type: 'refresh' });
  }

  live(): void {
    this.#step({ type: 'live' });
  }

  lost(): void {
    this.#step({ type: 'lost' });
  }

  closed(error: ClosedError): void {
    this.#fail(error);
  }

  failed(error: Error, generation = ''): void {
    // Of what is done nothing comes later.
    const item = this.view.items.get(generation);
    if (item?.kind === 'generation' && item.status === 'done') this.view.tracks.get(generation)?.fail(error);
    this.view.events.emit('error', error);
    if (!(error instanceof RequestError) || error.code !== 'session_deleted') return;
    this.#fail(error);
    this.#step({ type: 'unsubscribe' });
  }

  /** @throws ProtocolError when the frame contradicts what came before it */
  receive(frame: SessionFrame): void {
    const { view } = this;
    const { wanted, type } = this.#state;
    if (wanted === undefined) return;
    switch (frame.type) {
      case 'subscribed':
        return this.#subscribed(frame);
      case 'item':
        return view.put(frame.item, 'item');
      case 'removed':
        return view.remove(frame.item);
      case 'listed':
        return this.#step(frame);
      case 'presence': {
        const { type: _type, session: _session, ...presence } = frame;
        return view.watched(presence);
      }
      case 'signal':
        return view.events.emit('signal', { user: frame.user, data: frame.data });
      default: {
        if (type !== 'attached') return;
        const track = view.track(frame.generation);
        track.receive(frame, this.#clock.now());
        this.#acks.look(track);
      }
    }
  }

  /** Items first: when one of them contradicts what is here, they are asked for again. */
  #subscribed(frame: SubscribedFrame): void {
    const { viewers, present, items, removed = [], reset } = frame;
    this.view.watched({ viewers, ...(present && { present }) });
    if (reset) this.view.forget();
    for (const item of items) this.view.put(item, 'subscribed');
    for (const id of removed) this.view.remove(id);
    this.#step(frame);
  }

  /** Resolves when the session is watched as wanted. */
  #settled(event: SubscribeEvent): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#step(event);
    });
  }

  #step(event: SubscribeEvent): void {
    const { state, actions } = stepSubscribe(this.#state, event);
    this.#state = state;
    if (state.type !== 'waiting') this.#cancelRetry();
    for (const action of actions) this.#perform(action);
  }

  #perform(action: SubscribeAction): void {
    switch (action) {
      case 'subscribe':
        return this.#subscribe();
      case 'unsubscribe':
        return this.#leave();
      case 'attach': {
        const { observe, window } = this.#state.asked ?? this.#defaults;
        return this.view.attached(observe ? undefined : window);
      }
      case 'detach':
        this.#acks.clear();
        return this.view.detached();
      case 'settle':
        for (const waiter of this.#waiters.splice(0)) waiter.resolve();
    }
  }

  #subscribe(): void {
    const { observe, window } = this.#state.asked ?? this.#defaults;
    const { rev, store } = this.#state;
    const positions = this.view.positions();
    const frame: SubscribeFrame = {
      type: 'subscribe',
      session: this.session,
      ...(rev > 0 && { rev }),
      ...(store && { store }),
      ...(Object.keys(positions).length > 0 && { positions }),
      ...(observe ? { observe } : { window }),
    };
    // The `subscribed` before an `ok` has said everything.
    const resolve = (): void => undefined;
    this.#connection.ask(frame, { resolve, reject: (error) => this.#refused(error) });
  }

  #refused(error: Error): void {
    // A connection that was lost is no refusal: it is asked again on the next.
    if (!(error instanceof RequestError)) return;
    const before = this.#state;
    this.#step({ type: 'refused', retryable: error.retryable });
    if (this.#state === before) return;
    if (error.retryable) {
      // What does not answer now will later: whoever waits for the session goes on waiting, and is told.
      const ms = (error.retryAfterMs ?? RETRY_MS) * (1 + this.#clock.random());
      this.#cancelRetry = this.#clock.after(ms, () => this.#step({ type: 'due' }));
      return this.failed(error);
    }
    if (this.#waiters.length === 0) this.failed(error);
    this.#fail(error);
  }

  #leave(): void {
    this.#left = new Promise((resolve) => {
      // The server let go, or never knew, or the connection that knew is gone: detached in any case.
      const left = (): void => resolve(this.#step({ type: 'left' }));
      this.#connection.ask({ type: 'unsubscribe', session: this.session }, { resolve: left, reject: left });
    });
  }

  /** Nothing more comes: whoever waits or follows is told. */
  #fail(error: Error): void {
    this.view.fail(error);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
