import type { ClientFrame, ErrorFrame, Limits, OkFrame, PromptFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import { ClosedError, RequestError } from '../errors.ts';

/** Frames that are answered. Sending one of them twice does what sending it once does. */
export type Request = Extract<
  ClientFrame,
  { readonly type: 'prompt' | 'message' | 'cancel' | 'subscribe' | 'unsubscribe' }
>;

/** Told at once, before the next frame is looked at; a promise would be late. */
export type Answered = {
  readonly resolve: (answer: OkFrame) => void;
  /**
   * RequestError when the server refuses, or the frame is larger than the server allows; ClosedError when the
   * client closes first, or the connection a subscription was made on is lost
   */
  readonly reject: (error: Error) => void;
};

type Pending = Answered & {
  readonly frame: Request & { readonly id: string };
  isUploading?: boolean;
  /** when the first refusal for the moment came, ms */
  since?: number;
  cancel?: () => void;
};

type RequestsOptions = {
  readonly clock: Clock;
  /** returns false when there is no live connection */
  readonly transmit: (frame: ClientFrame) => boolean;
  /** for a prompt that no frame holds; resolves to its answer */
  readonly upload: (frame: PromptFrame & { readonly id: string }) => Promise<OkFrame | ErrorFrame>;
};

/** Between two tries, when the server does not say, ms. */
const RETRY_MS = 1_000;
/** Refusals for the moment are answered by asking again for this long: longer than NATS takes to elect a leader, ms. */
const PATIENCE_MS = 15_000;

/** What a lost connection or a refusal for the moment does not take with it; subscriptions are made anew by whoever holds them. */
const SURVIVES: ReadonlySet<Request['type']> = new Set(['prompt', 'message', 'cancel']);

/**
 * Requests that wait for `ok` or `error`. What survives a reconnect is sent again, unchanged and in order,
 * until it was answered: the ids in it are the client's, so the server finds instead of repeating.
 */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #pending = new Map<string, Pending>();
  #count = 0;
  #maxFrameBytes = Infinity;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  send(request: Request, { resolve, reject }: Answered): void {
    this.#count += 1;
    const id = `r${this.#count}`;
    const pending: Pending = { frame: { ...request, id }, resolve, reject };
    this.#pending.set(id, pending);
    this.#try(pending);
  }

  /** @returns false when the frame answers nothing that waits here */
  answer(frame: OkFrame | ErrorFrame): boolean {
    const pending = frame.re === undefined ? undefined : this.#pending.get(frame.re);
    if (pending === undefined) return false;
    if (frame.type === 'error') this.#refused(pending, new RequestError(frame));
    else {
      this.#pending.delete(pending.frame.id);
      pending.resolve(frame);
    }
    return true;
  }

  /** What cannot be had just now is asked for again under the same id, for a while. */
  #refused(pending: Pending, error: RequestError): void {
    const { clock } = this.#options;
    const now = clock.now();
    const ms = (error.retryAfterMs ?? RETRY_MS) * (1 + clock.random());
    const isRepeated = SURVIVES.has(pending.frame.type) && error.retryable;
    if (isRepeated && now + ms < (pending.since ??= now) + PATIENCE_MS)
      pending.cancel = clock.after(ms, () => this.#try(pending));
    else this.#reject(pending, error);
  }

  /** A connection is live: everything unanswered goes out again. */
  live({ maxFrameBytes }: Limits): void {
    this.#maxFrameBytes = maxFrameBytes;
    for (const pending of [...this.#pending.values()])
      if (SURVIVES.has(pending.frame.type)) this.#try(pending);
  }

  lost(): void {
    for (const pending of [...this.#pending.values()])
      if (!SURVIVES.has(pending.frame.type)) this.#reject(pending, new ClosedError(1006, 'connection lost'));
  }

  /** The client closed for good. */
  fail(error: Error): void {
    for (const pending of [...this.#pending.values()]) this.#reject(pending, error);
  }

  #try(pending: Pending): void {
    pending.cancel?.();
    const { frame } = pending;
    // A frame over the limit would close the connection for good; nobody else should suffer for it.
    if (!exceeds(frame, this.#maxFrameBytes)) this.#options.transmit(frame);
    else if (frame.type === 'prompt') void this.#upload(pending, frame);
    else {
      const message = `a ${frame.type} may not exceed ${this.#maxFrameBytes} bytes`;
      this.#reject(pending, new RequestError({ code: 'too_large', message, retryable: false }));
    }
  }

  async #upload(pending: Pending, frame: PromptFrame & { readonly id: string }): Promise<void> {
    if (pending.isUploading) return;
    pending.isUploading = true;
    const answer = await this.#options.upload(frame);
    pending.isUploading = false;
    this.answer(answer);
  }

  #reject(pending: Pending, error: Error): void {
    pending.cancel?.();
    this.#pending.delete(pending.frame.id);
    pending.reject(error);
  }
}

const exceeds = (frame: ClientFrame, maxBytes: number): boolean =>
  new TextEncoder().encode(JSON.stringify(frame)).length > maxBytes;
