/** Node, which before version 22 has no WebSocket of its own. The one file that imports `ws`. */
import WebSocket from 'ws';
import { systemClock } from './clock.ts';
import type { Platform } from './connect.ts';

/** Compression would cost more than small frames save; a peer that is gone may not hold up the process. */
const OPTIONS = { perMessageDeflate: false, handshakeTimeout: 10_000, closeTimeout: 2_000 };

class NodeWebSocket extends WebSocket {
  refusedWith: number | undefined;

  constructor(url: string, protocols: string[]) {
    super(url, protocols, OPTIONS);
    this.on('unexpected-response', (_request, { statusCode }) => {
      this.refusedWith = statusCode;
      this.terminate();
    });
  }
}

export const platform = (): Platform => ({ clock: systemClock, page: {}, WebSocket: NodeWebSocket });
