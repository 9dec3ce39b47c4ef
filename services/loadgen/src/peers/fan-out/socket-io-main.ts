import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { serveFanOut } from './fan-out-server.ts';

const ROOM = 'fan-out';

/** One room. WebSocket only, since polling would lose; all else as it comes. */
serveFanOut(({ recovery = false }) => {
  const server = createServer();
  const io = new Server(server, {
    transports: ['websocket'],
    ...(recovery ? { connectionStateRecovery: {} } : {}),
  });
  io.on('connection', (socket) => void socket.join(ROOM));
  const send = (json: string): void => {
    io.to(ROOM).emit('frame', JSON.parse(json));
  };
  return { server, send };
});
