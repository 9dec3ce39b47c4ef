import type { Position, ToolCall } from '@sluice/protocol';
import type { Listener } from '../emitter.ts';
import { DetachedError, GenerationFailedError } from '../errors.ts';
import type { GenerationStatus, TextEvents, Track } from './track.ts';
import type { Delta, GenerationEnd } from './assembled-text.ts';

export type GenerationEvents = TextEvents & { readonly state: GenerationStatus };

/** What a handle needs of its session. */
export interface GenerationOwner {
  /** why nothing will ever come again */
  readonly failure: Error | undefined;
  /** An iterator is through with everything up to this position. */
  consumed(track: Track, position: Position): void;
  /** Resolves when the server has taken the request. */
  cancel(track: Track): Promise<void>;
  /** The handle is done with its track. */
  release(track: Track): void;
}

type GenerationOptions = {
  readonly track: Track;
  readonly owner: GenerationOwner;
  /** resolves when the server has answered the prompt; settled already when there was none to send */
  readonly accepted: Promise<{ readonly created: boolean }>;
};

/**
 * A handle on one generation: its text as it grows, its end, and the two ways to stop, `cancel` (the engine
 * stops, for everybody) and `detach` (this handle stops watching, nothing else does).
 *
 * Iterating gives {@link Delta}s from the first token on, however late it starts, until the end. A slow
 * iterator gets larger deltas. It throws when the generation ends with reason `error`, when the prompt was
 * refused, and when the client is closed.
 */
export class Generation implements AsyncIterable<Delta> {
  readonly id: string;
  /** The server's answer to the prompt; `created` is false when the id named a generation that existed. */
  readonly accepted: Promise<{ readonly created: boolean }>;
  /**
   * How it ended, whatever the reason, `error` included.
   * Rejects with RequestError (prompt or session refused), ClosedError or DetachedError.
   */
  readonly end: Promise<GenerationEnd>;
  /** The whole text. Rejects as `end` does, and with GenerationFailedError when the reason is `error`. */
  readonly done: Promise<string>;
  readonly #track: Track;
  readonly #owner: GenerationOwner;
  /** what removes each listener on the track */
  readonly #removals = new Set<() => void>();
  /** there was text before this handle, perhaps the answer to another prompt */
  readonly #isKnown: boolean;
  #failure: Error | undefined;
  #isSettled = false;
  #resolveEnd: (end: GenerationEnd) => void = () => undefined;
  #rejectEnd: (error: Error) => void = () => undefined;
  #changed: Promise<void> | undefined;
  #wake: () => void = () => undefined;

  constructor({ track, owner, accepted }: GenerationOptions) {
    this.id = track.id;
    this.accepted = accepted;
    this.#track = track;
    this.#owner = owner;
    this.end = new Promise((resolve, reject) => {
      this.#resolveEnd = resolve;
      this.#rejectEnd = reject;
    });
    this.done = this.end.then((end) => {
      if (end.reason === 'error') throw new GenerationFailedError(end);
      return this.text;
    });
    // Whoever looks at one of the promises is told; whoever looks at none need not crash for it.
    for (const promise of [this.accepted, this.end, this.done]) promise.catch(() => undefined);
    this.#listen();
    this.#isKnown = track.end !== undefined || track.content.position.seq > 0;
    if (track.end !== undefined) this.#finish(track.end);
    else if (owner.failure !== undefined) this.#fail(owner.failure);
    accepted.catch((error: Error) => this.#fail(error));
  }

  get text(): string {
    return this.#track.content.text;
  }

  get reasoning(): string {
    return this.#track.content.reasoning;
  }

  get toolCalls(): readonly ToolCall[] {
    return this.#track.content.toolCalls;
  }

  /** The last token that is here. */
  get position(): Position {
    return this.#track.content.position;
  }

  get status(): GenerationStatus {
    return this.#track.status;
  }

  /** @returns the function that removes the listener */
  on<Name extends keyof GenerationEvents>(
    name: Name,
    listener: Listener<GenerationEvents[Name]>,
  ): () => void {
    if (this.#isSettled) return () => undefined;
    const stop = this.#track.events.on(name, listener);
    this.#removals.add(stop);
    return () => {
      this.#removals.delete(stop);
      stop();
    };
  }

  /**
   * Stops the engine, for everybody; the text so far stays. Resolves when the server took the request, which
   * is repeated over reconnects until then, or when the generation has ended meanwhile; the end has reason
   * `cancelled` if this is what stopped it.
   * @throws RequestError `forbidden`, `not_found`
   */
  async cancel(): Promise<void> {
    // The server cannot stop what it does not know yet; a prompt that it refused for the moment is sent again.
    await this.accepted.catch(() => undefined);
    try {
      if (!this.#track.end) await this.#owner.cancel(this.#track);
    } catch (error) {
      // The end may come before the answer, and then there is nobody to wait for that.
      if (!this.#track.end) throw error;
    }
  }

  /** Lets go: iterators return, `end` and `done` reject with DetachedError, nothing stops at the server. */
  detach(): void {
    this.#fail(new DetachedError(`generation ${this.id}`));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Delta, void, undefined> {
    if (this.#isKnown) await this.accepted;
    const cursor = this.#track.log.open();
    let last: Delta | undefined;
    try {
      for (;;) {
        const delta = cursor.next();
        if (last !== undefined) this.#owner.consumed(this.#track, last);
        last = delta;
        if (delta !== undefined) yield delta;
        else if (this.#isOver()) return;
        else await this.#nextChange();
      }
    } finally {
      cursor.close();
      if (last !== undefined) this.#owner.consumed(this.#track, last);
    }
  }

  /** @throws the reason, when there is nothing more to come that should have come */
  #isOver(): boolean {
    const { end } = this.#track;
    if (end?.reason === 'error') throw new GenerationFailedError(end);
    if (end !== undefined) return true;
    if (this.#failure === undefined) return false;
    if (this.#failure instanceof DetachedError) return true;
    throw this.#failure;
  }

  #nextChange(): Promise<void> {
    this.#changed ??= new Promise((resolve) => (this.#wake = resolve));
    return this.#changed;
  }

  #notify(): void {
    this.#changed = undefined;
    this.#wake();
  }

  #listen(): void {
    this.on('delta', () => this.#notify());
    this.on('reset', () => this.#notify());
    this.on('end', ({ generation: _generation, ...end }) => this.#finish(end));
    this.#removals.add(this.#track.events.on('failed', (error) => this.#fail(error)));
  }

  /** Only an accepted prompt has this end: under the same id there may be the answer to another one. */
  #finish(end: GenerationEnd): void {
    this.#notify();
    this.accepted.then(
      () => this.#settle(() => this.#resolveEnd(end)),
      (error: Error) => this.#fail(error),
    );
  }

  #fail(error: Error): void {
    if (this.#isSettled) return;
    this.#failure = error;
    this.#settle(() => this.#rejectEnd(error));
  }

  #settle(settle: () => void): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    settle();
    this.#notify();
    for (const remove of this.#removals) remove();
    // Not within the frame that ended it: its ack goes out before the session may be let go.
    queueMicrotask(() => this.#owner.release(this.#track));
  }
}
