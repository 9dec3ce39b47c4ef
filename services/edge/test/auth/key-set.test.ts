import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  badTokens,
  generateTestKeys,
  mintToken,
  openRawClient,
  readyMessage,
  spawnNode,
  startNatsServer,
  TEST_AUDIENCE,
  TEST_ISSUER,
  TEST_SECRET,
} from '@sluice/testkit';
import type { Child, KeyPair, NatsServer, SigningKey, TestKeys } from '@sluice/testkit';

// In a process of its own: the key set library cannot be loaded inside jest.
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

const old = generateTestKeys();
const rotated = generateTestKeys();
const named = (pair: KeyPair, kid: string): KeyPair => ({ ...pair, kid });
const next: TestKeys = { rsa: named(rotated.rsa, 'rsa-2'), ec: named(rotated.ec, 'ec-2') };

let published: readonly KeyPair[] = [old.rsa, old.ec];
let isDown = false;
let reads = 0;
const provider = createServer((_request, response) => {
  reads += 1;
  if (isDown) response.writeHead(500);
  const keys = published.map(({ kid, publicKey }) => ({
    ...createPublicKey(publicKey).export({ format: 'jwk' }),
    kid,
    use: 'sig',
  }));
  response.end(JSON.stringify({ keys }));
});

let nats: NatsServer;
let edge: Child;
let url: string;
beforeAll(async () => {
  provider.listen(0, '127.0.0.1');
  nats = await startNatsServer();
  const { port } = provider.address() as AddressInfo;
  edge = await spawnNode(MAIN, [], {
    env: {
      SLUICE_NATS_URL: nats.url,
      SLUICE_EDGE_PORT: '0',
      SLUICE_EDGE_ADMIN_PORT: '0',
      SLUICE_JWT_JWKS_URL: `http://127.0.0.1:${port}/jwks.json`,
      SLUICE_JWT_ISSUER: TEST_ISSUER,
      SLUICE_JWT_AUDIENCE: TEST_AUDIENCE,
      SLUICE_LOG_LEVEL: 'debug',
    },
  });
  const ready = await readyMessage(edge);
  url = `${String(ready.url).replace('http', 'ws')}/v1/ws`;
});
afterAll(async () => {
  await edge.kill('SIGTERM');
  await nats.stop();
  provider.close();
  provider.closeAllConnections();
});

const tokenBy = (key: SigningKey): string => mintToken({ org: 'acme', user: 'ann', key });
const rs = (pair: KeyPair): string => tokenBy({ alg: 'RS256', key: pair.privateKey, kid: pair.kid });
const es = (pair: KeyPair): string => tokenBy({ alg: 'ES256', key: pair.privateKey, kid: pair.kid });

const outcomeOf = async (token: string): Promise<'ready' | number> => {
  const client = await openRawClient(url, { token, auth: 'header' });
  const ready = client.nextFrame('ready').then(
    () => 'ready' as const,
    () => undefined,
  );
  const outcome = (await Promise.race([ready, client.closed])) ?? (await client.closed);
  client.terminate();
  return outcome === 'ready' ? outcome : outcome.code;
};

test('keys of a key set are found by kid, and read once', async () => {
  expect(await outcomeOf(rs(old.rsa))).toBe('ready');
  expect(await outcomeOf(es(old.ec))).toBe('ready');
  const before = reads;
  expect(await outcomeOf(rs(old.rsa))).toBe('ready');
  expect(reads).toBe(before);
});

test('bad tokens under a known kid, or without one, are refused', async () => {
  const table = badTokens(TEST_SECRET, old).filter(({ token }) => {
    const [head = ''] = token.split('.');
    const text = Buffer.from(head, 'base64url').toString();
    // Each unknown kid costs a read of the set, and those are limited per minute.
    return !text.includes('"kid"') || text.includes('"rsa-1"') || text.includes('"ec-1"');
  });
  expect(table.length).toBeGreaterThanOrEqual(25);
  for (const { name, token } of table) expect([name, await outcomeOf(token)]).toEqual([name, 4401]);
});

test('a kid with a key of another type than its label is refused', async () => {
  expect(await outcomeOf(tokenBy({ alg: 'RS256', key: old.rsa.privateKey, kid: old.ec.kid }))).toBe(4401);
  expect(await outcomeOf(tokenBy({ alg: 'ES256', key: old.ec.privateKey, kid: old.rsa.kid }))).toBe(4401);
  expect(await outcomeOf(tokenBy({ alg: 'HS256', key: old.rsa.publicKey, kid: old.rsa.kid }))).toBe(4401);
});

test('a new key is taken up when its kid first appears, and the old one stays for a while', async () => {
  expect(await outcomeOf(rs(next.rsa))).toBe(4401);
  published = [next.rsa, next.ec];
  expect(await outcomeOf(rs(next.rsa))).toBe('ready');
  expect(await outcomeOf(es(next.ec))).toBe('ready');
  expect(await outcomeOf(rs(old.rsa))).toBe('ready');
});

test('a key set that cannot be read is told from a bad token: 1013, come again', async () => {
  isDown = true;
  expect(await outcomeOf(rs(named(next.rsa, 'rsa-3')))).toBe(1013);
  expect(await outcomeOf(rs(next.rsa))).toBe('ready');
});

test('neither tokens nor their kids are in the log', async () => {
  await outcomeOf(tokenBy({ alg: 'RS256', key: old.rsa.privateKey, kid: 'canary-kid' }));
  const output = edge.output();
  expect(output).toContain('credential_refused');
  for (const secret of ['canary', 'eyJ', 'rsa-3']) expect(output).not.toContain(secret);
});
