import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from '@sluice/protocol';
import type { ClientFrame } from '@sluice/protocol';
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import { Inbox } from './inbox.ts';
import type { Frames, NextFrame, RawFrame, SocketClose } from './inbox.ts';
import { deferred } from './wait.ts';

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

const textOf = (data: RawData): string =>
  (Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)).toString('utf8');

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
    inbox.add(raw, isBinary);
  });
  socket.once('close', (code, reason) => {
    const close = { code, reason: reason.toString() };
    inbox.end(close);
    closed.resolve(close);
  });
  // Every error is followed by `close` with 1006, which is what tests look at.
  socket.on('error', () => {});
  await untilOpen(socket);
  return {
    transcript: inbox.frames,
    protocol: socket.protocol,
    send: (frame) =>
      socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame), {
        binary: options.binary ?? false,
      }),
    nextFrame: inbox.next,
    frames: inbox.ofType,
    closed: closed.promise,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: (code = 1000) => socket.close(code),
    terminate: () => socket.terminate(),
  };
};
