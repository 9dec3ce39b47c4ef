import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { serveFanOut } from './fan-out-server.ts';

/** A WebSocket text frame as an edge writes it: the peer sends the very same bytes. */
const encode = (json: string): Buffer => {
  const payload = Buffer.from(json);
  if (payload.length < 126) return Buffer.concat([Buffer.from([0x81, payload.length]), payload]);
  if (payload.length >= 0x10000) throw new RangeError('expected frames below 64 KiB');
  return Buffer.concat([Buffer.from([0x81, 126, payload.length >> 8, payload.length & 0xff]), payload]);
};

/**
 * The least that sending to many can cost in Node: writes given frames to every open socket and does
 * nothing else. No acks, no credit, no log.
 */
serveFanOut(() => {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  const send = (json: string): void => {
    const bytes = encode(json);
    for (const socket of sockets) socket.write(bytes);
  };
  return { server, send };
});
