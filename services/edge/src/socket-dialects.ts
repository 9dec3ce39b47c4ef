import { SUBPROTOCOL } from '@sluice/protocol';
import { ChatConnection } from './ai-sdk/chat-connection.ts';
import { Connection } from './connections/connection.ts';
import type { SocketDialect } from './transports/socket-dialect.ts';

/** What an edge speaks on WebSockets, by path. */
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
