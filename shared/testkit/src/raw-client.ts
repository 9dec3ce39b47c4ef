import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from '@sluice/protocol';
import type { ClientFrame, ServerFrame } from '@sluice/protocol';
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import { deferred, WaitTimeoutError, withTimeout } from './wait.ts';

export type RawClientOptions = {
  readonly token?: string;
  /** how the token travels; default `subprotocol` */
  readonly auth?: 'subprotocol' | 'header' | 'none';
  /** offered subprotocols, default `sluice.v1`; the bearer one comes after them */
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** send every frame as a binary message, which the protocol forbids */
  readonly binary?: boolean;
  /** answer WebSocket pings, default true */
  readonly autoPong?: boolean;
};

/** One received message, as it came. */
export type RawFrame = {
  readonly raw: string;
  readonly isBinary: boolean;
  /** ms since the Unix epoch, with fractions */
  readonly at: number;
  /** the parsed text; undefined if it is not a JSON object */
  readonly frame: ServerFrame | undefined;
};

export type FrameOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { readonly type: Type }>;

export interface NextFrame {
  <Type extends ServerFrame['type']>(type: Type, timeoutMs?: number): Promise<FrameOf<Type>>;
  (matches: (frame: ServerFrame) => boolean, timeoutMs?: number): Promise<ServerFrame>;
}

export interface Frames {
  (): ServerFrame[];
  <Type extends ServerFrame['type']>(type: Type): FrameOf<Type>[];
}

export type SocketClose = { readonly code: number; readonly reason: string };

/** A WebSocket client below any SDK: it decides nothing and forgets nothing. */
export type RawClient = {
  /** everything received, in order */
  readonly transcript: readonly RawFrame[];
  /** the subprotocol that the server chose */
  readonly protocol: string;
  /** An object is sent as JSON, a string as it is. */
  send(frame: ClientFrame | Readonly<Record<string, unknown>> | string): void;
  /**
   * The first matching frame after the one this returned last; it may have come long ago. Frames in between are
   * passed over, and stay in the transcript. One call at a time. Default deadline 5000 ms.
   * @throws Error at the deadline, or when the socket closes first, naming what came
   */
  readonly nextFrame: NextFrame;
  /** All received frames, or those of one type. */
  readonly frames: Frames;
  readonly closed: Promise<SocketClose>;
  /** Stops reading the socket, as a stalled reader does. */
  pause(): void;
  resume(): void;
  close(code?: number): void;
  /** Ends the TCP connection without a closing handshake. */
  terminate(): void;
};

/** The server answered the upgrade with an HTTP status. */
export class UpgradeRefusedError extends Error {
  readonly code = 'upgrade_refused';
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`expected a WebSocket, got HTTP ${status} ${body.slice(0, 200)}`);
    this.status = status;
    this.body = body;
  }
}

const OPEN_TIMEOUT_MS = 10_000;

const parse = (raw: string): ServerFrame | undefined => {
  try {
    const value: unknown = JSON.parse(raw);
    return typeof value === 'object' && value !== null ? (value as ServerFrame) : undefined;
  } catch {
    // Recorded as it came: what to make of it is the test's business.
    return undefined;
  }
};

const textOf = (data: RawData): string =>
  (Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)).toString('utf8');

type Wait = {
  readonly name: string;
  readonly timeoutMs: number;
  readonly deadline: number;
  /** index of the first frame that was looked at */
  readonly start: number;
};

/** Received frames and a cursor into them, hence no frame can slip between two waits. */
class Inbox {
  readonly frames: RawFrame[] = [];
  #cursor = 0;
  #wake = deferred<void>();
  #closed: SocketClose | undefined;

  add(frame: RawFrame): void {
    this.frames.push(frame);
    this.#changed();
  }

  end(close: SocketClose): void {
    this.#closed = close;
    this.#changed();
  }

  readonly next = async (
    wanted: string | ((frame: ServerFrame) => boolean),
    timeoutMs = 5_000,
  ): Promise<never> => {
    const matches = typeof wanted === 'string' ? (frame: ServerFrame) => frame.type === wanted : wanted;
    const name = typeof wanted === 'string' ? `frame \`${wanted}\`` : 'a matching frame';
    const wait: Wait = { name, timeoutMs, deadline: performance.now() + timeoutMs, start: this.#cursor };
    for (let at = wait.start; ; at += 1) {
      while (at >= this.frames.length) await this.#more(wait);
      const frame = this.frames[at]?.frame;
      if (!frame || !matches(frame)) continue;
      this.#cursor = at + 1;
      return frame as never;
    }
  };

  async #more({ name, timeoutMs, deadline, start }: Wait): Promise<void> {
    const passed = this.frames.slice(start).map(({ frame, raw }) => frame?.type ?? raw.slice(0, 40));
    const what = `${name} after [${passed.join(', ')}]`;
    if (this.#closed)
      throw new Error(`expected ${what}, got close ${this.#closed.code} ${this.#closed.reason}`);
    try {
      await withTimeout(this.#wake.promise, Math.max(0, deadline - performance.now()), what);
    } catch {
      // Only a timeout can come; told anew with the whole time that was allowed.
      throw new WaitTimeoutError(what, timeoutMs);
    }
  }

  #changed(): void {
    this.#wake.resolve();
    this.#wake = deferred();
  }
}

const bodyOf = async (response: IncomingMessage): Promise<string> => {
  let body = '';
  for await (const bytes of response) body += String(bytes);
  return body;
};

const connectSocket = (url: string, options: RawClientOptions): WebSocket => {
  const { token, auth = 'subprotocol', protocols = [SUBPROTOCOL], headers = {}, autoPong = true } = options;
  const offered =
    token !== undefined && auth === 'subprotocol'
      ? [...protocols, `${BEARER_SUBPROTOCOL_PREFIX}${token}`]
      : [...protocols];
  const bearer = token !== undefined && auth === 'header' ? { authorization: `Bearer ${token}` } : {};
  return new WebSocket(url, offered, {
    perMessageDeflate: false,
    handshakeTimeout: OPEN_TIMEOUT_MS,
    autoPong,
    headers: { ...bearer, ...headers },
  });
};

const untilOpen = async (socket: WebSocket): Promise<void> => {
  const opened = deferred<void>();
  socket.once('open', () => opened.resolve());
  socket.once('error', opened.reject);
  socket.once('unexpected-response', (_request, response) => {
    const refuse = (body: string): void => {
      opened.reject(new UpgradeRefusedError(response.statusCode ?? 0, body));
      socket.terminate();
    };
    bodyOf(response).then(refuse, () => refuse(''));
  });
  await opened.promise;
};

/**
 * Resolves when the upgrade is done; the first frame may be there by then.
 * @throws UpgradeRefusedError when the answer is an HTTP status
 */
export const openRawClient = async (url: string, options: RawClientOptions = {}): Promise<RawClient> => {
  const socket = connectSocket(url, options);
  const inbox = new Inbox();
  const closed = deferred<SocketClose>();
  socket.on('message', (data, isBinary) => {
    const raw = textOf(data);
    inbox.add({ raw, isBinary, at: performance.timeOrigin + performance.now(), frame: parse(raw) });
  });
  socket.once('close', (code, reason) => {
    const close = { code, reason: reason.toString() };
    inbox.end(close);
    closed.resolve(close);
  });
  // Every error is followed by `close` with 1006, which is what tests look at.
  socket.on('error', () => {});
  await untilOpen(socket);
  const frames = (type?: ServerFrame['type']): never =>
    inbox.frames.flatMap(({ frame }) =>
      frame && (type === undefined || frame.type === type) ? [frame] : [],
    ) as never;
  return {
    transcript: inbox.frames,
    protocol: socket.protocol,
    send: (frame) =>
      socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame), {
        binary: options.binary ?? false,
      }),
    nextFrame: inbox.next,
    frames,
    closed: closed.promise,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: (code = 1000) => socket.close(code),
    terminate: () => socket.terminate(),
  };
};
