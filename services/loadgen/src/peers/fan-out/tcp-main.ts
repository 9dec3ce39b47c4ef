import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { RecordedFrame } from '../clients/crowd.ts';
import { serveRemote } from '../remote.ts';

/**
 * The least that sending to many can cost in Node: writes given frames to every open socket and does
 * nothing else. No acks, no credit, no log.
 */
const sockets = new Set<Socket>();
const server = createServer({ noDelay: true }, (socket) => {
  sockets.add(socket);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => sockets.delete(socket));
});

/** A WebSocket text frame as an edge writes it: the peer sends the very same bytes. */
const encode = (json: string): Buffer => {
  const payload = Buffer.from(json);
  if (payload.length < 126) return Buffer.concat([Buffer.from([0x81, payload.length]), payload]);
  if (payload.length >= 0x10000) throw new RangeError('expected frames below 64 KiB');
  return Buffer.concat([Buffer.from([0x81, 126, payload.length >> 8, payload.length & 0xff]), payload]);
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const api = {
  listen: (_: null): Promise<number> =>
    new Promise((resolve) => {
      server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
        resolve((server.address() as AddressInfo).port),
      );
    }),
  /** Writes each frame at its time. */
  replay: async (frames: readonly RecordedFrame[]): Promise<void> => {
    const encoded = frames.map(({ afterMs, json }) => ({ afterMs, bytes: encode(json) }));
    const startedAt = performance.now();
    for (const { afterMs, bytes } of encoded) {
      const waitMs = startedAt + afterMs - performance.now();
      if (waitMs > 0) await pause(waitMs);
      for (const socket of sockets) socket.write(bytes);
    }
  },
};
export type TcpFanOutApi = typeof api;

serveRemote(api);
