/** Node, which before version 22 has no WebSocket of its own. The one file that loads `ws`. */
import { createRequire } from 'node:module';
import type * as Ws from 'ws';
import { systemClock } from './clock.ts';
import type { Platform } from './connect.ts';
import type { WebSocketConstructor } from './link/websocket.ts';

/** Compression would cost more than small frames save; a peer that is gone may not hold up the process. */
const OPTIONS = { perMessageDeflate: false, handshakeTimeout: 10_000, closeTimeout: 2_000 };

// Not an import: `ws` may be left out of an installation, and `require` of this package works as well.
const load: (name: 'ws') => typeof Ws = createRequire(import.meta.url);

const webSocket = (): WebSocketConstructor | undefined => {
  try {
    const { WebSocket } = load('ws');
    return class NodeWebSocket extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, OPTIONS);
      }
    };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND')) throw error;
    const { WebSocket } = globalThis as { WebSocket?: WebSocketConstructor };
    return WebSocket;
  }
};

const WebSocket = webSocket();

export const platform = (): Platform => ({ clock: systemClock, page: {}, WebSocket });
