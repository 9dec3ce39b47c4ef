/** A server that offers no TLS, in the place of one that is named by `tls://`. */
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createNatsBus } from '@sluice/bus';

const PASSWORD = 'a-password-of-nats';

let server: Server;
let received = '';
let connections = 0;

beforeAll(async () => {
  const info = { server_id: 'x', version: '2.15.1', headers: true, max_payload: 1_048_576, proto: 1 };
  server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      if (received.includes('PING')) socket.write('PONG\r\n');
    });
    socket.write(`INFO ${JSON.stringify({ ...info, jetstream: true })}\r\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => void server.close());

test('is told no password, and the start says that TLS was expected', async () => {
  const { port } = server.address() as AddressInfo;
  const url = `tls://127.0.0.1:${port}`;
  const opening = createNatsBus({ url, name: 'thief', user: 'edge', password: PASSWORD });
  const answer = await opening.then((bus) => bus.close().then(() => 'connected'), String);
  expect(connections).toBeGreaterThan(0);
  expect(received).not.toContain(PASSWORD);
  expect(received).toBe('');
  expect(answer).toMatch(/expected TLS that can be trusted, got: .*does not support/);
}, 30_000);
