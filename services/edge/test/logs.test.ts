import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openRawClient, signJws, TEST_SECRET, waitFor } from '@sluice/testkit';
import { askOk, codeOf, keyOf, settled } from './support/asking.ts';
import { frameBytes, openWire } from './support/wire.ts';
import { createWorld, tokenOf } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

let world: World;
let target: TestEdge;
beforeEach(async () => {
  world = createWorld();
  target = await world.addEdge();
});
afterEach(() => world.close());

/** Each line is one JSON object with an event. */
const expectLines = (): void => {
  for (const line of target.logs) {
    expect(line.trimEnd()).not.toContain('\n');
    expect(JSON.parse(line)).toMatchObject({ service: 'edge', event: expect.stringMatching(/^[a-z_]+$/) });
  }
};

test('what people write and what models answer is never logged', async () => {
  const worker = await world.addWorker();
  const client = await target.open();
  const generation = 'g1';
  await askOk(client, {
    type: 'prompt',
    session: 's1',
    generation,
    input: 'canary-input',
    params: { stop: 'canary-stop', response_format: { 'canary-param': 1 } },
  });
  const params = { 'canary-unknown': 1 };
  await codeOf(client, { type: 'prompt', session: 's1', generation: 'g0', input: 'canary', params });
  const run = await worker.claim(keyOf('s1', generation));
  await run.write('canary-token');
  await run.end({ reason: 'error', error: { code: 'x', message: 'canary-error' } });
  await client.nextFrame('end');
  await codeOf(client, { type: 'prompt', session: 's1', generation, input: 'canary-other' });
  await askOk(client, {
    type: 'message',
    session: 's1',
    message: 'm1',
    text: 'canary-text',
    data: 'canary-data',
  });
  await askOk(client, { type: 'signal', session: 's1', data: 'canary-signal' });
  target.recording.isDown = true;
  await codeOf(client, { type: 'prompt', session: 's1', generation: 'g2', input: 'canary-down' });
  await codeOf(client, { type: 'message', session: 's1', message: 'm2', text: 'canary-down' });
  target.recording.isDown = false;
  client.terminate();
  expect(target.logs.length).toBeGreaterThan(0);
  expect(target.logs.join('')).not.toContain('canary');
  expectLines();
});

test('hostile ids and bad frames are never logged', async () => {
  const client = await target.open();
  for (const id of ['canary\r\n{"level":"error"}', 'canary.*', 'canary>', 'canary\u0000']) {
    await codeOf(client, { type: 'subscribe', session: id });
    await codeOf(client, { type: 'cancel', session: 's1', generation: id });
    await codeOf(client, { type: 'subscribe', session: 's1', positions: { [id]: { epoch: 0, seq: 0 } } });
  }
  client.send('canary: not JSON');
  client.send({ type: 'canary' });
  await settled(client);
  const wire = await openWire(target);
  wire.write(frameBytes('canary', { rsv: 7 }));
  await wire.closed;
  await waitFor(() => target.logs.some((line) => line.includes('socket_error')), { what: 'a log line' });
  expect(target.logs.join('')).not.toContain('canary');
  expectLines();
});

test('no part of a credential is logged, good or bad', async () => {
  const key = { alg: 'HS256', key: TEST_SECRET };
  const canary = (claims: object): string => signJws(claims, key);
  const good = tokenOf({ user: 'canary-user', org: 'canary-org' });
  const [head = '', payload = '', signature = ''] = good.split('.');
  const notJson = Buffer.from('canary-not-json').toString('base64url');
  const tokens = [
    'canary-word',
    canary({ sub: 'canary-sub' }),
    canary({ sub: 'canary\r\nx', org: 'canary*', exp: 9e9 }),
    signJws({ sub: 'x' }, { ...key, kid: 'canary-kid' }),
    signJws({ sub: 'x' }, { ...key, alg: 'HS256' }, { alg: 'canary-alg' }),
    `${notJson}.${payload}.${signature}`,
    `${head}.${notJson}.${signature}`,
    tokenOf({ user: 'canary-late', ttlS: -100 }),
    tokenOf({ user: 'canary-aud', claims: { aud: 'canary-aud', iss: 'canary-iss' } }),
    tokenOf({ user: 'canary', secret: 'another secret of thirty-two bytes' }),
  ];
  for (const token of tokens) {
    const client = await openRawClient(target.url, { token, auth: 'header' });
    expect(await client.closed).toEqual({ code: 4401, reason: 'the token was not accepted' });
    const first = await openRawClient(target.url);
    first.send({ type: 'auth', id: 'a', token });
    expect((await first.closed).code).toBe(4401);
    expect(JSON.stringify(first.frames())).not.toContain('canary');
  }
  const client = await openRawClient(target.url, { token: good });
  await client.nextFrame('ready');
  await codeOf(client, { type: 'auth', token: 'canary-refresh' });
  client.terminate();
  const lines = target.logs.filter((line) => line.includes('credential_refused'));
  expect(lines).toHaveLength(tokens.length * 2);
  const reasons = new Set(lines.map((line) => (JSON.parse(line) as { reason?: string }).reason));
  expect(reasons.size).toBeGreaterThan(4);
  const output = target.logs.join('');
  for (const secret of ['canary', 'eyJ', notJson, signature, TEST_SECRET])
    expect(output).not.toContain(secret);
  expectLines();
});
