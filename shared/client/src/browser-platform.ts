import { systemClock } from './clock.ts';
import type { Platform } from './connect.ts';
import { currentPage } from './connection/page-events.ts';
import type { WebSocketConstructor } from './link/websocket.ts';

/** A page or a worker of a browser, with the WebSocket it has. */
export const platform = (): Platform => {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketConstructor };
  return { clock: systemClock, page: currentPage(), WebSocket };
};
