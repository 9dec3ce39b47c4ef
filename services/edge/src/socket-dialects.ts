import { SUBPROTOCOL } from '@sluice/protocol';
import { ChatConnection } from './ai-sdk/chat-connection.ts';
import type { ChatSocket } from './ai-sdk/chat-stream.ts';
import { Connection } from './connections/connection.ts';
import type { EdgeContext } from './connections/edge-context.ts';

/** The edge's side of one socket, whatever is spoken on it. */
export type SocketPeer = Pick<
  Connection,
  'id' | 'authenticate' | 'onText' | 'onBinary' | 'onDrain' | 'onClose' | 'close' | 'tick' | 'goaway'
>;

/** One protocol that is spoken on WebSockets. */
export type SocketDialect = {
  readonly path: string;
  readonly subprotocol: string;
  /** Whether a client may offer no subprotocol at all. One that offers any must be given one of its own. */
  readonly isOptional: boolean;
  readonly open: (id: string, socket: ChatSocket, context: EdgeContext) => SocketPeer;
};

export const SOCKET_DIALECTS: readonly SocketDialect[] = [
  {
    path: '/v1/ws',
    subprotocol: SUBPROTOCOL,
    isOptional: false,
    open: (id, socket, context) => new Connection(id, socket, context),
  },
  {
    path: '/v1/ai-sdk',
    subprotocol: 'sluice.ai-sdk.v1',
    isOptional: true,
    open: (id, socket, context) => new ChatConnection(id, socket, context),
  },
];
