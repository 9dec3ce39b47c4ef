import { createServer } from 'node:http';
import type { WebSocket } from 'ws';
import { WebSocketServer } from 'ws';
import { serveFanOut } from './fan-out-server.ts';

/** `ws.send` in a loop. The payload is one buffer for all, and nothing is compressed. */
serveFanOut(() => {
  const server = createServer();
  const sockets = new Set<WebSocket>();
  const upgrades = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
  upgrades.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.terminate());
    socket.on('close', () => sockets.delete(socket));
  });
  const send = (json: string): void => {
    const payload = Buffer.from(json);
    for (const socket of sockets) socket.send(payload, { binary: false });
  };
  return { server, send };
});
