import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** One instant on both clocks: `performanceMs` compares within a process, `epochMs` between processes. */
export type Moment = { readonly performanceMs: number; readonly epochMs: number };

const now = (): Moment => ({ performanceMs: performance.now(), epochMs: Date.now() });

/** What the mock knows of one chat request: the server writes it, tests read it. */
export class MockRequest {
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: IncomingMessage['headers'];
  readonly receivedAt: Moment = now();
  /** tokens taken from the model, and tokens handed to the socket */
  tokensGenerated = 0;
  tokensSent = 0;
  /** the socket takes no more until the client reads */
  isBlocked = false;
  /** when the client's hang-up was seen; undefined when it did not hang up */
  closedAt: Moment | undefined;
  /** when the model stopped, for whatever reason */
  stoppedAt: Moment | undefined;
  readonly #response: ServerResponse;
  readonly #gone = new AbortController();

  constructor(request: IncomingMessage, response: ServerResponse, body: Readonly<Record<string, unknown>>) {
    this.body = body;
    this.headers = request.headers;
    this.#response = response;
    const { socket } = request;
    const onGone = (): void => {
      this.closedAt ??= now();
      this.#gone.abort();
    };
    socket.once('end', onGone).once('close', onGone);
    response.once('finish', () => socket.off('end', onGone).off('close', onGone));
  }

  /** Aborted when the client has hung up. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  stopped(): void {
    this.stoppedAt ??= now();
  }

  /**
   * Writes, in slices of `sliceBytes` if given, and waits as long as the client does not read. Writing to a
   * client that has hung up does nothing.
   */
  async write(text: string, sliceBytes: number | undefined): Promise<void> {
    const bytes = Buffer.from(text);
    const step = sliceBytes ?? Math.max(1, bytes.length);
    for (let start = 0; start < bytes.length && !this.gone.aborted; start += step) {
      if (this.#response.write(bytes.subarray(start, start + step))) continue;
      this.isBlocked = true;
      // Rejects when the client hangs up, which the loop's condition then sees.
      await once(this.#response, 'drain', { signal: this.gone }).catch(() => undefined);
      this.isBlocked = false;
    }
  }
}
