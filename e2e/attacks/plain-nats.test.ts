/** A server without TLS answers where the settings say `tls://`. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RefusedTlsError, createNatsBus } from '@sluice/bus';
import { startPlainNats } from '../support/plain-nats.ts';
import type { PlainNats } from '../support/plain-nats.ts';

const PASSWORD = 'a-password-of-nats';

let server: PlainNats;
beforeAll(async () => {
  server = await startPlainNats();
});
afterAll(() => server.close());

test('is told no password, and the start says that TLS was expected', async () => {
  const url = `tls://127.0.0.1:${server.port}`;
  const opening = createNatsBus({ url, name: 'thief', user: 'edge', password: PASSWORD });
  const outcome: unknown = await opening.then(
    (bus) => bus.close(),
    (error: unknown) => error,
  );
  expect(server.connections).toBeGreaterThan(0);
  expect(server.received).not.toContain(PASSWORD);
  expect(server.received).toBe('');
  expect(outcome).toBeInstanceOf(RefusedTlsError);
  expect(String(outcome)).toMatch(/expected TLS that can be trusted, got: .*does not support 'tls'/);
}, 30_000);
