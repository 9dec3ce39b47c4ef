import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** Greets as a nats-server without TLS does, and keeps all that it is told. */
export type PlainNats = {
  readonly port: number;
  readonly connections: number;
  readonly received: string;
  close(): void;
};

const GREETING = {
  server_id: 'x',
  version: '2.15.1',
  headers: true,
  max_payload: 1_048_576,
  proto: 1,
  jetstream: true,
};

/** @param port default any free one */
export const startPlainNats = async (port = 0): Promise<PlainNats> => {
  let received = '';
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      if (received.includes('PING')) socket.write('PONG\r\n');
    });
    socket.write(`INFO ${JSON.stringify(GREETING)}\r\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    get received() {
      return received;
    },
    close: () => void server.close(),
  };
};
