import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { badTokens, generateTestKeys, ManualClock, mintToken, TEST_SECRET, waitFor } from '@sluice/testkit';
import type { KeyPair, SigningKey, TestKeys } from '@sluice/testkit';
import { outcomeOf } from '../support/sign-in.ts';
import { createWorld } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

const REFRESH_MS = 300_000;
const COOL_DOWN_MS = 10_000;

const old = generateTestKeys();
const rotated = generateTestKeys();
const named = (pair: KeyPair, kid: string): KeyPair => ({ ...pair, kid });
const next: TestKeys = { rsa: named(rotated.rsa, 'rsa-2'), ec: named(rotated.ec, 'ec-2') };

let published: readonly unknown[] = [];
let isDown = false;
let reads = 0;
const provider = createServer((_request, response) => {
  reads += 1;
  if (isDown) response.writeHead(500);
  response.end(JSON.stringify({ keys: published }));
});
const jwk = ({ kid, publicKey }: KeyPair): object => ({
  ...createPublicKey(publicKey).export({ format: 'jwk' }),
  kid,
  use: 'sig',
});
const publish = (...pairs: readonly KeyPair[]): void => void (published = pairs.map(jwk));

beforeAll(() => new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve)));
afterAll(() => {
  provider.close();
  provider.closeAllConnections();
});

let clock: ManualClock;
let edge: TestEdge;
const worlds: World[] = [];
afterAll(() => Promise.all(worlds.map((world) => world.close())));

/** An edge that has just started, and has asked for the key set once. */
const start = async (): Promise<void> => {
  const world = createWorld();
  worlds.push(world);
  clock = new ManualClock(Date.now());
  const { port } = provider.address() as AddressInfo;
  const before = reads;
  edge = await world.addEdge({
    ...{ clock, jwtSecret: undefined, jwksRefreshMs: REFRESH_MS },
    jwksUrl: `http://127.0.0.1:${port}/jwks.json`,
  });
  await waitFor(() => reads > before && /"key_set_/.test(edge.logs.join('')), {
    what: 'a look at the key set',
  });
};

beforeEach(async () => {
  publish(old.rsa, old.ec);
  isDown = false;
  await start();
});

const tokenBy = (key: SigningKey): string => mintToken({ org: 'acme', user: 'ann', key });
const rs = (pair: KeyPair): string => tokenBy({ alg: 'RS256', key: pair.privateKey, kid: pair.kid });
const es = (pair: KeyPair): string => tokenBy({ alg: 'ES256', key: pair.privateKey, kid: pair.kid });
const codeOf = (token: string): Promise<'ready' | number> => outcomeOf(edge, token);
const eventsOf = (event: string): string[] => edge.logs.filter((line) => line.includes(`"${event}"`));

/** Lets time pass until a read of the key set is due, and waits for it. */
const pass = async (ms: number): Promise<void> => {
  const told = (): number => edge.logs.filter((line) => line.includes('"key_set_')).length;
  const before = told();
  clock.advance(ms);
  await waitFor(() => told() > before, { what: 'a read of the key set' });
};

test('all keys of a key set are known from the start, and read once', async () => {
  const before = reads;
  expect(await codeOf(rs(old.rsa))).toBe('ready');
  expect(await codeOf(es(old.ec))).toBe('ready');
  expect(reads).toBe(before);
});

test('bad tokens are refused, whatever their kid, and none reads the set more than the cool-down allows', async () => {
  const before = reads;
  const table = badTokens(TEST_SECRET, old);
  expect(table.length).toBeGreaterThanOrEqual(80);
  for (const { name, token } of table) expect([name, await codeOf(token)]).toEqual([name, 4401]);
  expect(reads).toBe(before);
});

test('a kid with a key of another type than its label is refused', async () => {
  expect(await codeOf(tokenBy({ alg: 'RS256', key: old.rsa.privateKey, kid: old.ec.kid }))).toBe(4401);
  expect(await codeOf(tokenBy({ alg: 'ES256', key: old.ec.privateKey, kid: old.rsa.kid }))).toBe(4401);
  expect(await codeOf(tokenBy({ alg: 'HS256', key: old.rsa.publicKey, kid: old.rsa.kid }))).toBe(4401);
});

test('ten tokens a minute with invented kids lock nobody out, and cost a read each cool-down', async () => {
  const before = reads;
  for (let n = 0; n < 10; n += 1) {
    clock.advance(6_000);
    expect(await codeOf(tokenBy({ alg: 'RS256', key: old.rsa.privateKey, kid: `invented-${n}` }))).toBe(4401);
    expect(await codeOf(rs(old.rsa))).toBe('ready');
    expect(await codeOf(es(old.ec))).toBe('ready');
  }
  expect(reads - before).toBeLessThanOrEqual(60_000 / COOL_DOWN_MS);
});

test('a kid may be any string, and is compared as it is', async () => {
  const kids = ['bR3+xY/9w==', '', 'a kid', '__proto__', 'k'.repeat(1_000), 'ключ'];
  publish(...kids.map((kid) => named(next.ec, kid)));
  await pass(REFRESH_MS);
  for (const kid of kids) expect([kid, await codeOf(es(named(next.ec, kid)))]).toEqual([kid, 'ready']);
  expect(await codeOf(es(named(next.ec, 'bR3+xY/9w=')))).toBe(4401);
});

test('a new key is taken up when its kid first appears', async () => {
  publish(old.rsa, next.rsa, next.ec);
  clock.advance(COOL_DOWN_MS);
  expect(await codeOf(rs(next.rsa))).toBe('ready');
  expect(await codeOf(es(next.ec))).toBe('ready');
  expect(await codeOf(rs(old.rsa))).toBe('ready');
  expect(await codeOf(es(old.ec))).toBe(4401);
});

test('a new key whose kid appears within the cool-down is taken up at its end', async () => {
  publish(old.rsa, next.rsa);
  expect(await codeOf(rs(next.rsa))).toBe(4401);
  await pass(COOL_DOWN_MS);
  expect(await codeOf(rs(next.rsa))).toBe('ready');
});

test('the set is read again in the background, before anybody asks', async () => {
  publish(next.rsa, next.ec);
  await pass(REFRESH_MS);
  const before = reads;
  expect(await codeOf(rs(next.rsa))).toBe('ready');
  expect(await codeOf(rs(old.rsa))).toBe(4401);
  expect(reads).toBe(before);
});

test('while the provider is down the last keys count, and it is asked again', async () => {
  isDown = true;
  for (let n = 0; n < 3; n += 1) await pass(REFRESH_MS);
  expect(await codeOf(rs(old.rsa))).toBe('ready');
  expect(await codeOf(rs(next.rsa))).toBe(4401);
  isDown = false;
  publish(next.rsa);
  await pass(30_000);
  expect(await codeOf(rs(next.rsa))).toBe('ready');
});

test('an edge that never saw the set says so: 1013, come again', async () => {
  isDown = true;
  await start();
  expect(await codeOf(rs(old.rsa))).toBe(1013);
  isDown = false;
  clock.advance(COOL_DOWN_MS);
  expect(await codeOf(rs(old.rsa))).toBe('ready');
});

test('keys that are not for signatures, of other kinds, or secret are passed over', async () => {
  published = [
    { ...jwk(old.rsa), use: 'enc' },
    { ...jwk(old.ec), alg: 'ES384' },
    { kty: 'oct', kid: 'hs', k: Buffer.from(TEST_SECRET).toString('base64url') },
    { kty: 'EC', kid: 'broken', crv: 'P-256', x: 'x', y: 'y' },
    'nonsense',
    jwk(next.rsa),
  ];
  await pass(REFRESH_MS);
  expect(await codeOf(rs(next.rsa))).toBe('ready');
  for (const token of [rs(old.rsa), es(old.ec), es(named(old.ec, 'broken'))])
    expect(await codeOf(token)).toBe(4401);
  expect(await codeOf(tokenBy({ alg: 'HS256', key: TEST_SECRET, kid: 'hs' }))).toBe(4401);
});

test('a set without a usable key replaces none', async () => {
  published = [];
  await pass(REFRESH_MS);
  expect(await codeOf(rs(old.rsa))).toBe('ready');
});

test('the log says what became of the set, and holds neither tokens nor their kids', async () => {
  for (let n = 0; n < 5; n += 1)
    await codeOf(tokenBy({ alg: 'RS256', key: old.rsa.privateKey, kid: 'canary-kid' }));
  isDown = true;
  await pass(REFRESH_MS);
  expect(eventsOf('key_set_refreshed')).toHaveLength(1);
  expect(eventsOf('unknown_kid')).toHaveLength(1);
  expect(eventsOf('key_set_refresh_failed')).not.toHaveLength(0);
  const output = edge.logs.join('');
  expect(output).toContain('credential_refused');
  for (const secret of ['canary', 'eyJ']) expect(output).not.toContain(secret);
});
