import type { ServerFrame } from '@sluice/protocol';
import { Inbox } from './inbox.ts';
import type { SocketClose } from './inbox.ts';
import type { RawClient } from './raw-client.ts';
import { deferred } from './wait.ts';

export type RawHttpClientOptions = {
  readonly token: string;
  /** how frames come down; default `sse` */
  readonly transport?: 'sse' | 'poll';
  /** `http://host:port` that later requests go to; default where it was opened */
  readonly via?: string;
};

/** The same as a {@link RawClient} for a connection over HTTP. */
export type RawHttpClient = RawClient & {
  /** names the connection in requests */
  readonly connection: string;
  /** Later requests carry this token. */
  useToken(token: string): void;
  /** One request about the connection; `path` is below it. */
  request(method: string, path?: string, body?: string): Promise<Response>;
};

/** The answer to a request of the client's own was an error. */
export class RequestRefusedError extends Error {
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`expected a connection, got HTTP ${status} ${body.slice(0, 200)}`);
    this.status = status;
    this.body = body;
  }
}

const DATA = 'data: ';
const ABNORMAL = 1006;

class RawHttp {
  readonly inbox = new Inbox();
  readonly closed = deferred<SocketClose>();
  readonly #options: RawHttpClientOptions;
  readonly #abort = new AbortController();
  #base: string;
  #sent = 0;
  #posting: Promise<unknown> = Promise.resolve();
  #reading = Promise.resolve();
  #go: () => void = () => {};
  #hasLeft = false;
  connection = '';
  token: string;

  constructor(url: string, options: RawHttpClientOptions) {
    this.#base = url;
    this.#options = options;
    this.token = options.token;
  }

  async open(): Promise<void> {
    const response = await this.#fetch(
      this.#options.transport === 'poll' ? 'POST' : 'GET',
      '/v1/connections',
    );
    if (!response.ok) throw new RequestRefusedError(response.status, await response.text());
    const opened = deferred<void>();
    const lines = this.#options.transport === 'poll' ? this.#poll(response) : this.#stream(response);
    void this.#read(lines, opened.resolve);
    await opened.promise;
    this.#base = this.#options.via ?? this.#base;
  }

  send(frame: object | string): void {
    const line = typeof frame === 'string' ? frame : JSON.stringify(frame);
    const path = `/frames?after=${this.#sent}`;
    this.#sent += 1;
    this.#posting = this.#posting.then(() => this.request('POST', path, line)).catch(() => undefined);
  }

  request(method: string, path = '', body?: string): Promise<Response> {
    return this.#fetch(method, `/v1/connections/${this.connection}${path}`, body);
  }

  pause(): void {
    this.#reading = new Promise((resolve) => (this.#go = resolve));
  }

  resume(): void {
    this.#go();
  }

  close(): void {
    this.#hasLeft = true;
    void this.#posting.then(() => this.request('DELETE')).catch(() => undefined);
    if (this.#options.transport === 'poll') this.#end({ code: 1000, reason: '' });
  }

  terminate(): void {
    this.#abort.abort();
    this.#end({ code: ABNORMAL, reason: '' });
  }

  #fetch(method: string, path: string, body?: string): Promise<Response> {
    return fetch(`${this.#base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/x-ndjson' }),
      },
      signal: this.#abort.signal,
      ...(body === undefined ? {} : { body }),
    });
  }

  async #read(lines: AsyncIterable<string>, onOpen: () => void): Promise<void> {
    try {
      for await (const line of lines) {
        await this.#reading;
        const frame = JSON.parse(line) as ServerFrame;
        if (frame.type === 'open') {
          this.connection = frame.connection;
          onOpen();
        } else if (frame.type === 'close') return this.#end({ code: frame.code, reason: frame.reason });
        else this.inbox.add(line);
      }
      this.#end({ code: this.#hasLeft ? 1000 : ABNORMAL, reason: '' });
    } catch {
      // Cut, by either side: the close is what tests look at.
      this.#end({ code: ABNORMAL, reason: '' });
    }
  }

  async *#stream({ body }: Response): AsyncGenerator<string> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const bytes of body as AsyncIterable<Uint8Array>) {
      const blocks = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = blocks.pop() ?? '';
      for (const line of blocks) if (line.startsWith(DATA)) yield line.slice(DATA.length);
    }
  }

  async *#poll(opened: Response): AsyncGenerator<string> {
    yield await opened.text();
    for (let after = 0; ;) {
      await this.#reading;
      const response = await this.request('GET', `/frames?after=${after}`);
      if (!response.ok) return;
      for (const line of (await response.text()).split('\n')) {
        if (line === '') continue;
        after += 1;
        yield line;
      }
    }
  }

  #end(close: SocketClose): void {
    this.inbox.end(close);
    this.closed.resolve(close);
  }
}

/**
 * Resolves when the connection has a name. It sends one frame a request, as they are.
 * @param url `http://host:port`
 * @throws RequestRefusedError when the answer is an error
 */
export const openRawHttpClient = async (
  url: string,
  options: RawHttpClientOptions,
): Promise<RawHttpClient> => {
  const http = new RawHttp(url, options);
  await http.open();
  return {
    connection: http.connection,
    useToken: (token) => void (http.token = token),
    request: (method, path, body) => http.request(method, path, body),
    transcript: http.inbox.frames,
    protocol: options.transport ?? 'sse',
    send: (frame) => http.send(frame),
    nextFrame: http.inbox.next,
    frames: http.inbox.ofType,
    closed: http.closed.promise,
    pause: () => http.pause(),
    resume: () => http.resume(),
    close: () => http.close(),
    terminate: () => http.terminate(),
  };
};
