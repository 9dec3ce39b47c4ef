import type { CloseCode, ErrorCode, ServerFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import type { ProtocolError } from '../errors.ts';
import type { ABNORMAL as Abnormal } from './transport.ts';

export const ABNORMAL: typeof Abnormal = 1006;

const NOT_FOUND = 4404 satisfies CloseCode;

/** The part of the standard `fetch` that is used. */
export type Fetch = (url: string, options: RequestInit) => Promise<Response>;

/** A request that came to nothing, as the close code of its connection. */
export class CallError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** What the edge's refusals mean for a connection; any other answer is a lost connection. */
const CLOSE_CODE_OF = {
  unauthorized: 4401,
  forbidden: 4403,
  too_large: 4409,
  rate_limited: 1013,
  unavailable: 1013,
} as const satisfies { readonly [Code in ErrorCode]?: CloseCode };

/**
 * Pauses before a request is repeated that got no answer, or that the edge could not take at the moment, ms: at
 * once first, since a connection that was kept open may have been closed meanwhile. The edge keeps what is
 * polled for 10 s.
 */
const RETRY_MS = [0, 250, 1_000, 2_000];
const BUSY: ReadonlySet<number> = new Set([429, 503]);

type Call = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** below the connection's own path, or the path to open one at */
  readonly path?: string;
  readonly body?: string;
  /** the request can be made twice without harm */
  readonly repeatable?: boolean;
};

export type CallOptions = {
  /** of the WebSocket: `…/v1/ws` */
  readonly url: string;
  readonly token: string;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly parse: (text: string) => ServerFrame | ProtocolError | undefined;
};

/** The HTTP requests of one connection, each with its credential. */
export class HttpCalls {
  /** a refreshed one is used from then on */
  token: string;
  readonly #options: CallOptions;
  readonly #abort = new AbortController();
  #base: URL;
  #isOpened = false;

  constructor(options: CallOptions) {
    this.#options = options;
    this.token = options.token;
    this.#base = new URL('connections', options.url);
    this.#base.protocol = this.#base.protocol.replace('ws', 'http');
  }

  /** From now on paths are below this connection's. */
  opened(connection: string): void {
    this.#isOpened = true;
    this.#base = new URL(`connections/${encodeURIComponent(connection)}`, this.#base);
  }

  /** @throws CallError */
  async call({ method, path = '', body, repeatable = false }: Call): Promise<Response> {
    const url = this.#base.href + path;
    const options: RequestInit = {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/x-ndjson' }),
      },
      cache: 'no-store',
      signal: this.#abort.signal,
      ...(body === undefined ? {} : { body }),
    };
    const response = await this.#fetch(url, options, repeatable ? RETRY_MS : []);
    // Whoever answers this to a request that opens a connection is no edge. A connection itself may be gone.
    if (response.status === 404 && !this.#isOpened) throw new CallError(NOT_FOUND, `HTTP 404 at ${url}`);
    if (!response.ok) throw await refusalOf(response);
    return response;
  }

  /** Ends every request that is under way. */
  abort(): void {
    this.#abort.abort();
  }

  async #fetch(url: string, options: RequestInit, pauses: readonly number[]): Promise<Response> {
    const { fetch } = this.#options;
    const [pause, ...rest] = pauses;
    try {
      const response = await fetch(url, options);
      if (pause === undefined || !BUSY.has(response.status)) return response;
    } catch (cause) {
      const isLast = pause === undefined || this.#abort.signal.aborted;
      if (isLast) throw new CallError(ABNORMAL, `no answer: ${(cause as Error).message}`);
    }
    await this.#pause(pause);
    return this.#fetch(url, options, rest);
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const stop = (): void => {
        cancel();
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const cancel = this.#options.clock.after(ms, stop);
      signal.addEventListener('abort', stop);
    });
  }
}

/** Only the edge's own word closes for good: a proxy may answer 403 to whatever it does not like. */
const refusalOf = async (response: Response): Promise<CallError> => {
  const body = (await response.json().catch(() => undefined)) as
    | { readonly error?: { readonly code?: keyof typeof CLOSE_CODE_OF; readonly message?: string } }
    | undefined;
  const { code, message } = body?.error ?? {};
  const closeCode = code === undefined ? undefined : CLOSE_CODE_OF[code];
  return new CallError(closeCode ?? ABNORMAL, message ?? `HTTP ${response.status}`);
};
