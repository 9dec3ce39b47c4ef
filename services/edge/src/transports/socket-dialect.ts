import type { CloseCode } from '@sluice/protocol';
import type { ClientSocket } from '../connections/client-socket.ts';
import type { EdgeContext } from '../connections/edge-context.ts';

/** The edge's side of one socket, whatever is spoken on it. */
export type SocketPeer = {
  readonly id: string;
  /** A credential that came with the upgrade. */
  authenticate(token: string): void;
  onText(text: string): void;
  /** A frame that no frame can be: binary. */
  onBinary(): void;
  /** The socket has room again. */
  onDrain(): void;
  /** The socket is gone. Idempotent. */
  onClose(): void;
  /** Ends the connection for a reason of ours. Idempotent: the first reason counts. */
  close(code: CloseCode, reason: string): void;
  /** Called about twice a second. */
  tick(now: number): void;
  /** Tells the client that the edge goes away; the socket is closed by whoever called. */
  goaway(reconnectMs: number): void;
};

/** One protocol that is spoken on WebSockets. */
export type SocketDialect = {
  readonly path: string;
  readonly subprotocol: string;
  /** Whether a client may offer no subprotocol at all. One that offers any must be given one of its own. */
  readonly isOptional: boolean;
  readonly open: (id: string, socket: ClientSocket, context: EdgeContext) => SocketPeer;
};
