import { pipeline, Readable } from 'node:stream';
import type { Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { EngineError } from '@sluice/core';
import { jsonBytes, jsonPieces } from './json-pieces.ts';
import { connectionFailure } from './upstream-failure.ts';

/** Bytes that may wait unread on our side of the socket. Beyond it TCP makes the server wait. */
const READ_AHEAD_BYTES = 16 * 1024;

export type UpstreamTarget = {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  /** fields of a JSON document */
  readonly body?: Readonly<Record<string, unknown>>;
};

export type AnswerHead = {
  readonly status: number;
  readonly contentType: string;
  readonly retryAfter?: string;
};

export type UpstreamTimeouts = {
  /** ms of waiting from the request to the first event of the answer */
  readonly firstByteTimeoutMs: number;
  /** ms of waiting between two events; time in which nobody reads does not count */
  readonly idleTimeoutMs: number;
};

/**
 * One request whose answer is read chunk by chunk, at the reader's pace. When its signal is aborted it
 * destroys the connection at once, also while nobody reads. Its owner calls `close()`.
 */
export class UpstreamCall {
  readonly #signal: AbortSignal;
  readonly #timeouts: UpstreamTimeouts;
  readonly #controller = new AbortController();
  #watchdog: NodeJS.Timeout | undefined;
  #response: Dispatcher.ResponseData | undefined;
  #chunks: AsyncIterator<Uint8Array> | undefined;
  /** time that was spent waiting since the answer last went on, ms */
  #waitedMs = 0;
  #hasProgressed = false;

  constructor(signal: AbortSignal, timeouts: UpstreamTimeouts) {
    this.#signal = signal;
    this.#timeouts = timeouts;
    signal.addEventListener('abort', this.#onAbort);
    if (signal.aborted) this.#onAbort();
  }

  /** Sends the request and waits for the answer's head. @throws EngineError, or the signal's reason */
  async open(dispatcher: Dispatcher, target: UpstreamTarget): Promise<AnswerHead> {
    const response = await this.#watched(this.#timeouts.firstByteTimeoutMs, () =>
      request(target.url, {
        dispatcher,
        method: target.method,
        ...bodyAndHeaders(target),
        signal: this.#controller.signal,
        highWaterMark: READ_AHEAD_BYTES,
      }),
    );
    this.#response = response;
    this.#chunks = decoded(response)[Symbol.asyncIterator]();
    const { 'content-type': contentType = '', 'retry-after': retryAfter } = response.headers;
    return {
      status: response.statusCode,
      contentType: String(contentType),
      ...(retryAfter === undefined ? {} : { retryAfter: String(retryAfter) }),
    };
  }

  /** The next bytes, or undefined at the answer's end. @throws EngineError, or the signal's reason */
  async read(timeoutMs?: number): Promise<Uint8Array | undefined> {
    const chunks = this.#chunks;
    if (chunks === undefined) throw new TypeError('read: expected an opened call');
    const { idleTimeoutMs, firstByteTimeoutMs } = this.#timeouts;
    const usualMs = this.#hasProgressed ? idleTimeoutMs : firstByteTimeoutMs;
    const startedAt = performance.now();
    const result = await this.#watched(timeoutMs ?? usualMs, () => chunks.next(), this.#waitedMs);
    this.#waitedMs += performance.now() - startedAt;
    return result.done === true ? undefined : result.value;
  }

  /** What was read has brought the answer on: bytes alone may be comments that keep the connection. */
  progressed(): void {
    this.#waitedMs = 0;
    this.#hasProgressed = true;
  }

  /** Lets go of the connection: back to the pool if the answer was read to its end, else destroyed. */
  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#onAbort);
    clearTimeout(this.#watchdog);
    const body = this.#response?.body;
    if (body === undefined || body.closed) return;
    const closed = new Promise<void>((resolve) => body.once('close', () => resolve()));
    // Whatever breaks now has been reported by read(), or is our own doing.
    body.on('error', () => undefined);
    if (!body.readableEnded) body.destroy();
    await closed;
  }

  readonly #onAbort = (): void => this.#controller.abort(this.#signal.reason);

  /** Runs one step under a deadline, of which a part is over already, and gives its failure the right name. */
  async #watched<T>(timeoutMs: number, step: () => Promise<T>, waitedMs = 0): Promise<T> {
    this.#signal.throwIfAborted();
    this.#watchdog = setTimeout(
      () => {
        const message = `the upstream sent nothing for ${timeoutMs} ms`;
        this.#controller.abort(new EngineError('upstream_unavailable', message, { isLost: true }));
      },
      Math.max(0, timeoutMs - waitedMs),
    );
    try {
      return await step();
    } catch (error) {
      this.#signal.throwIfAborted();
      const timeout: unknown = this.#controller.signal.reason;
      const known = [timeout, error].find((failure) => failure instanceof EngineError);
      throw known ?? connectionFailure(error);
    } finally {
      clearTimeout(this.#watchdog);
    }
  }
}

/** Asked for plain bytes, some proxies compress all the same. */
const decoded = ({ headers, body }: Dispatcher.ResponseData): AsyncIterable<Uint8Array> => {
  const decoder = DECODERS[String(headers['content-encoding'] ?? '').toLowerCase()];
  // A failure of either side is what the reader of the decoder meets.
  return decoder === undefined ? body : pipeline(body, decoder(), () => undefined);
};

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGunzip({ flush: constants.Z_SYNC_FLUSH }),
  'x-gzip': () => createGunzip({ flush: constants.Z_SYNC_FLUSH }),
  deflate: () => createInflate({ flush: constants.Z_SYNC_FLUSH }),
  br: () => createBrotliDecompress(),
};

/** The length is told beforehand: not every server takes a body without one. */
const bodyAndHeaders = ({ headers, body }: UpstreamTarget) => {
  if (body === undefined) return { headers, body: null };
  const told = { 'content-type': 'application/json', 'content-length': String(jsonBytes(body)) };
  return { headers: { ...headers, ...told }, body: Readable.from(jsonPieces(body), { objectMode: false }) };
};
