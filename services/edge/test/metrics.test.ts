import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openRawClient, waitFor } from '@sluice/testkit';
import { askOk, codeOf, keyOf, newId, settled } from './support/asking.ts';
import { createWorld, tokenOf } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

let world: World;
let target: TestEdge;
beforeEach(async () => {
  world = createWorld();
  target = await world.addEdge();
});
afterEach(() => world.close());

/** The values of one metric by its labels; without labels under an empty name. */
const valuesOf = async (name: string): Promise<Record<string, number>> => {
  const text = await target.edge.metrics.registry.metrics();
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return Object.fromEntries(
    lines.map((line) => {
      const [, labels = '', value] = /^\w+(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      return [labels, Number(value)];
    }),
  );
};
const valueOf = async (name: string): Promise<number> => Object.values(await valuesOf(name))[0] ?? 0;

describe('figures of load', () => {
  test('count connections, sessions and attachments as they are now', async () => {
    const [one, two] = [await target.open(), await target.open()];
    for (const client of [one, two]) await askOk(client, { type: 'subscribe', session: 's1' });
    await askOk(one, { type: 'subscribe', session: 's2' });
    expect(await valueOf('sluice_edge_connections')).toBe(2);
    expect(await valueOf('sluice_edge_sessions')).toBe(2);
    expect(await valueOf('sluice_edge_viewers')).toBe(3);
    two.terminate();
    await waitFor(async () => (await valueOf('sluice_edge_connections')) === 1, { what: 'one connection' });
    expect(await valueOf('sluice_edge_viewers')).toBe(2);
  });
});

describe('counters', () => {
  test('tell tokens in once per feed and out once per viewer, acks and resumes', async () => {
    const worker = await world.addWorker();
    const author = await target.open();
    const generation = newId();
    await askOk(author, { type: 'prompt', session: 's1', generation, input: 'x' });
    const other = await target.open();
    await askOk(other, { type: 'subscribe', session: 's1' });
    const run = await worker.claim(keyOf('s1', generation));
    for (let i = 0; i < 10; i += 1) await run.write('x');
    await run.end();
    for (const client of [author, other]) await client.nextFrame('end');
    for (let repeats = 0; repeats < 2; repeats += 1)
      await askOk(author, { type: 'ack', session: 's1', generation, epoch: 0, seq: 10 });
    expect(await valueOf('sluice_edge_tokens_in_total')).toBe(10);
    expect(await valueOf('sluice_edge_tokens_out_total')).toBe(20);
    expect(await valueOf('sluice_edge_acks_total')).toBe(1);
    const frames = author.frames('delta').length + other.frames('delta').length;
    expect(await valueOf('sluice_edge_frames_total')).toBe(frames);
    const back = await target.open();
    const positions = { [generation]: { epoch: 0, seq: 4 } };
    await askOk(back, { type: 'subscribe', session: 's1', positions });
    await back.nextFrame('end');
    const resumes = Object.values(await valuesOf('sluice_edge_resumes_total'));
    expect(resumes.reduce((sum, value) => sum + value, 0)).toBe(1);
  });

  test('tell prompts by whether they created a generation', async () => {
    await world.addWorker();
    const client = await target.open();
    for (let i = 0; i < 3; i += 1)
      await askOk(client, { type: 'prompt', session: 's1', generation: 'g1', input: 'x' });
    expect(await valuesOf('sluice_edge_prompts_total')).toEqual({
      'created="true"': 1,
      'created="false"': 2,
    });
  });

  test('tell errors by code and closes by close code, whoever decides them', async () => {
    const client = await target.open();
    client.send({ type: 'subscribe', session: '*' });
    await codeOf(client, { type: 'cancel', session: 's1', generation: 'g1' });
    for (let i = 0; i < 3; i += 1) client.send('{}');
    await client.closed;
    const large = await target.open();
    large.send('x'.repeat(1024 * 1024 + 1));
    await large.closed;
    const bad = await openRawClient(target.url, { token: 'nonsense' });
    await bad.closed;
    expect(await valuesOf('sluice_edge_errors_total')).toEqual({
      'code="bad_frame"': 4,
      'code="not_found"': 1,
    });
    expect(await valuesOf('sluice_edge_closes_total')).toEqual({
      'code="4400"': 1,
      'code="4401"': 1,
      'code="4409"': 1,
    });
  });
});

test('the metrics never contain ids, users or tokens', async () => {
  const worker = await world.addWorker('canary-worker', ['canary-model']);
  const as = { org: 'canary-org', user: 'canary-user' };
  const client = await target.open(as);
  const ids = { session: 'canary-session', generation: 'canary-generation' };
  await askOk(client, { type: 'prompt', id: 'canary-id', ...ids, input: 'canary-input' });
  const run = await worker.claim(keyOf(ids.session, ids.generation, as.org));
  await run.write('canary-token');
  await run.end();
  await client.nextFrame('end');
  await codeOf(client, { type: 'cancel', session: 'canary-other', generation: 'canary-none' });
  await codeOf(client, {
    type: 'message',
    session: 'canary-session',
    message: 'canary-m',
    text: 'canary-text',
  });
  client.send({ type: 'canary-type' });
  const bad = await openRawClient(target.url, { token: tokenOf({ user: 'canary-bad', ttlS: -100 }) });
  await bad.closed;
  await settled(client);
  const text = await target.edge.metrics.registry.metrics();
  expect(text).toContain('sluice_edge_tokens_out_total 1');
  expect(text).not.toContain('canary');
  expect(text).not.toContain(client.frames('ready')[0]?.connection ?? 'eyJ');
  expect(text).not.toContain('eyJ');
});
