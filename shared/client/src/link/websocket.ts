import { BEARER_SUBPROTOCOL_PREFIX, CLOSE_CODES, SUBPROTOCOL } from '@sluice/protocol';
import type { ClientFrame } from '@sluice/protocol';
import { ProtocolError } from '../errors.ts';
import { parseServerFrame } from './server-frame.ts';
import type { Endpoint, Transport, TransportListener } from './transport.ts';

/** The part of the standard WebSocket that is used; `ws` has it as well. */
export interface WebSocketLike {
  readonly protocol: string;
  readonly readyState: number;
  /** HTTP status of an upgrade that was refused, where the platform tells */
  readonly refusedWith?: number | undefined;
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(
    type: 'close',
    listener: (event: { readonly code: number; readonly reason: string }) => void,
  ): void;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

type WebSocketOptions = Endpoint & { readonly WebSocket: WebSocketConstructor };

const OPEN = 1;
/** What may stand in a subprotocol: the `token` of RFC 9110. Every JWT fits; other credentials may not. */
const SUBPROTOCOL_PATTERN = /^[\w!#$%&'*+.^`|~-]+$/;

/**
 * Frames over one WebSocket. The credential travels as a second offered subprotocol, the only header a browser
 * lets a page set; one that cannot be a subprotocol goes in a first `auth` frame.
 */
export class WebSocketTransport implements Transport {
  readonly kind = 'websocket';
  readonly #options: WebSocketOptions;
  #socket: WebSocketLike | undefined;
  #listener: TransportListener | undefined;

  constructor(options: WebSocketOptions) {
    this.#options = options;
  }

  open(listener: TransportListener): void {
    this.#listener = listener;
    const { url, token, WebSocket } = this.#options;
    const inHandshake = SUBPROTOCOL_PATTERN.test(token);
    const protocols = inHandshake ? [SUBPROTOCOL, BEARER_SUBPROTOCOL_PREFIX + token] : [SUBPROTOCOL];
    const socket = new WebSocket(url, protocols);
    this.#socket = socket;
    socket.addEventListener('open', () => {
      if (socket.protocol !== SUBPROTOCOL)
        this.#listener?.broken(new ProtocolError(`the server did not select ${SUBPROTOCOL}`));
      else if (!inHandshake) this.send({ type: 'auth', token });
    });
    socket.addEventListener('message', ({ data }) => {
      const frame = parseServerFrame(data);
      if (frame instanceof ProtocolError) this.#listener?.broken(frame);
      else if (frame !== undefined) this.#listener?.frame(frame);
    });
    socket.addEventListener('close', ({ code, reason }) =>
      socket.refusedWith === 404
        ? this.#listener?.closed(CLOSE_CODES.notFound, `HTTP 404 at ${url}`)
        : this.#listener?.closed(code, reason),
    );
    // `close` always follows and says what there is to say; without a listener `ws` would throw.
    socket.addEventListener('error', () => undefined);
  }

  handOver(listener: TransportListener): void {
    this.#listener = listener;
  }

  send(frame: ClientFrame): void {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(frame));
  }

  close(code: number, reason: string): void {
    this.#socket?.close(code, reason);
  }
}
