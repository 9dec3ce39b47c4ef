import { isId } from '@sluice/protocol';
import type { Item, PromptBody } from '@sluice/protocol';
import type { AckPolicy } from '../generation/ack-schedule.ts';
import type { SessionSubscription } from './session-subscription.ts';
import type { EdgeConnection } from '../connection/edge-connection.ts';
import type { Listener } from '../emitter.ts';
import { RequestError } from '../errors.ts';
import { Generation } from '../generation/generation.ts';
import { newId } from '../new-id.ts';
import type { SessionEvents } from './session-events.ts';
import type { SubscribeOptions } from './subscribe-state.ts';
import type { Track } from '../generation/track.ts';

export type PromptOptions = PromptBody & {
  /** id of the generation, 1-64 of letters, digits, `_`, `-`; default a random one. The same id is the same run */
  readonly generation?: string;
  /** what an ack means; default the client's, `received` */
  readonly ack?: AckPolicy;
};

export type MessageOptions = {
  /** id of the message, default a random one; the same id is the same message */
  readonly id?: string;
  readonly data?: unknown;
};

type SessionOptions = {
  readonly subscription: SessionSubscription;
  readonly connection: EdgeConnection;
  readonly ack: AckPolicy;
  /** the client forgets this session */
  readonly forget: () => void;
};

/** One conversation: its items, who watches it, and the ways to add to it. Made by `client.session(id)`. */
export class Session {
  readonly id: string;
  readonly #subscription: SessionSubscription;
  readonly #connection: EdgeConnection;
  readonly #ack: AckPolicy;
  readonly #forget: () => void;

  constructor({ subscription, connection, ack, forget }: SessionOptions) {
    this.id = subscription.session;
    this.#subscription = subscription;
    this.#connection = connection;
    this.#ack = ack;
    this.#forget = forget;
  }

  /**
   * Everything known of the session by item id, oldest rev first; generations with their text so far. Always
   * the same map, brought up to date when this is read.
   */
  get items(): ReadonlyMap<string, Item> {
    return this.#subscription.view.items.view();
  }

  /** Viewers attached, this one included, as last told. */
  get viewers(): number {
    return this.#subscription.view.viewers;
  }

  /** @returns the function that removes the listener */
  on<Name extends keyof SessionEvents>(name: Name, listener: Listener<SessionEvents[Name]>): () => void {
    return this.#subscription.view.events.on(name, listener);
  }

  /**
   * Watches the session until `unsubscribe`, over reconnects. Resolves when every item is here.
   * @param options `observe`: do not count as a viewer for flow control, default false; `window`: most un-acked
   * delta frames in flight, 1..256, default the client's
   * @throws RequestError when the server refuses, ClosedError, DetachedError
   */
  subscribe(options: Partial<SubscribeOptions> = {}): Promise<void> {
    return this.#subscription.subscribe(options);
  }

  /** Stops watching; nothing stops at the server. Generations still open here are detached from. */
  unsubscribe(): Promise<void> {
    return this.#subscription.unsubscribe();
  }

  /** Unsubscribes and forgets the session's items; `client.session(id)` then makes a new one. */
  async close(): Promise<void> {
    this.#forget();
    await this.#subscription.unsubscribe();
  }

  /**
   * Asks the model, or finds the generation that was asked for under the same id before. Sent again, unchanged,
   * after a reconnect until it is answered, and for 15 s after a refusal for the moment; any other refusal
   * rejects the generation's promises with RequestError.
   * @throws TypeError unless there is exactly one of `input` and `messages`, or when an id cannot be one
   */
  prompt(prompt: string | PromptOptions): Generation {
    const {
      generation = newId(),
      ack,
      ...body
    }: PromptOptions = typeof prompt === 'string' ? { input: prompt } : prompt;
    if ((body.input === undefined) === (body.messages === undefined))
      throw new TypeError('prompt: expected exactly one of `input` and `messages`');
    const isNew = !this.#exists(generation);
    const track = this.#follow(generation, ack);
    return this.#handle(track, this.#ask(generation, body, isNew));
  }

  /**
   * Follows a generation that exists or will; at once complete when its text is here already. One of whose text the list
   * has a `preview` only comes whole.
   */
  generation(id: string, options: { readonly ack?: AckPolicy } = {}): Generation {
    const track = this.#follow(id, options.ack);
    const item = this.#subscription.view.items.get(id);
    // Its text is too large for a list: named, it comes. Once what is being received is through, or that would not count.
    if (item?.kind === 'generation' && item.bodies?.answer && !track.end)
      queueMicrotask(() => this.#subscription.refresh());
    return this.#handle(track, Promise.resolve({ created: false }));
  }

  /**
   * Follows every generation that is not done, oldest first. Whoever does not want one detaches from it.
   * @throws RequestError when the server refuses, ClosedError, DetachedError
   */
  running(): Promise<readonly Generation[]> {
    return this.#subscription.peek(() =>
      [...this.items.values()]
        .filter((item) => item.kind === 'generation' && item.status !== 'done')
        .sort((left, right) => left.createdAt - right.createdAt)
        .map(({ id }) => this.generation(id)),
    );
  }

  /**
   * Adds a chat line that starts no model run. Sent again after a reconnect until it is answered.
   * @returns the message's id
   * @throws RequestError, ClosedError; TypeError when the id cannot be one
   */
  async message(text: string, { id = newId(), data }: MessageOptions = {}): Promise<string> {
    checkId('message', id);
    const withData = data === undefined ? {} : { data };
    await this.#connection.request({ type: 'message', session: this.id, message: id, text, ...withData });
    return id;
  }

  /**
   * Tells the other viewers something that is not stored, at most 4 KiB of JSON. Dropped without a live
   * connection.
   */
  signal(data: unknown): void {
    this.#connection.send({ type: 'signal', session: this.id, data });
  }

  async #ask(generation: string, body: PromptBody, isNew: boolean): Promise<{ readonly created: boolean }> {
    const request = { type: 'prompt', session: this.id, generation, ...body } as const;
    try {
      const { created = true } = await this.#connection.request(request);
      // It exists, but was announced before this client watched: ask for its item.
      if (!created && !this.#exists(generation)) this.#subscription.refresh();
      return { created };
    } catch (error) {
      // Taken once, then sent again over a reconnect and refused for the moment: it runs all the same.
      const isTaken = error instanceof RequestError && error.retryable && isNew && this.#exists(generation);
      if (isTaken) return { created: true };
      throw error;
    }
  }

  #exists(generation: string): boolean {
    return this.#subscription.view.items.get(generation) !== undefined;
  }

  #follow(generation: string, ack: AckPolicy | undefined): Track {
    checkId('generation', generation);
    const track = this.#subscription.follow(generation);
    const policy = ack ?? this.#ack;
    // A second handle that does not say otherwise leaves the first one's policy alone.
    if (ack !== undefined || policy === 'consumed') track.ackPolicy = policy;
    return track;
  }

  #handle(track: Track, accepted: Promise<{ readonly created: boolean }>): Generation {
    return new Generation({ track, accepted, owner: this.#subscription });
  }
}

/** @throws TypeError */
export const checkId = (what: string, id: string): void => {
  if (!isId(id)) throw new TypeError(`${what}: expected 1-64 characters of A-Z a-z 0-9 _ -`);
};
