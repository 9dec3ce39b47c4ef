import { SUBPROTOCOL } from '@sluice/protocol';
import { ChatConnection } from './ai-sdk/chat-connection.ts';
import { Connection } from './connections/connection.ts';
import type { SocketDialect } from './transports/sockets/socket-dialect.ts';

/** Room for an `auth` frame with the longest token. */
const MAX_AUTH_BYTES = 16 * 1024;

/** What an edge speaks on WebSockets, by path. */
export const SOCKET_DIALECTS: readonly SocketDialect[] = [
  {
    path: '/v1/ws',
    subprotocol: SUBPROTOCOL,
    isOptional: false,
    maxFirstBytes: MAX_AUTH_BYTES,
    open: (id, socket, context) => new Connection(id, socket, context),
  },
  {
    path: '/v1/ai-sdk',
    subprotocol: 'sluice.ai-sdk.v1',
    isOptional: true,
    // It brings the messages of a chat along. All of them together are bounded as well.
    maxFirstBytes: Infinity,
    open: (id, socket, context) => new ChatConnection(id, socket, context),
  },
];
