import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '@sluice/runtime';
import { waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { ask, askOk, codeOf, keyOf, newId, settled } from '../support/asking.ts';
import { createWorld } from '../support/world.ts';
import type { EdgeSetup, TestEdge, World } from '../support/world.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
afterEach(() => world.close());

const start = async (setup: EdgeSetup = {}): Promise<{ edge: TestEdge; client: RawClient }> => {
  const edge = await world.addEdge(setup);
  return { edge, client: await edge.open() };
};
const prompt = (generation: string, more: Readonly<Record<string, unknown>> = {}) => ({
  type: 'prompt',
  session: 's1',
  generation,
  input: 'hello',
  ...more,
});
const jobs = (): number => world.hub.queued.size;

describe('a prompt', () => {
  test('creates a generation that is queued, and subscribes its sender', async () => {
    await world.addWorker();
    const { client } = await start();
    const generation = newId();
    expect(await ask(client, prompt(generation))).toMatchObject({ type: 'ok', generation, created: true });
    expect(client.frames('subscribed')).toHaveLength(1);
    await client.nextFrame('item');
    const [frame] = client.frames('item');
    expect(frame).toMatchObject({
      session: 's1',
      item: {
        id: generation,
        kind: 'generation',
        user: 'ann',
        model: 'm1',
        input: 'hello',
        status: 'queued',
      },
    });
    expect(frame?.item).not.toHaveProperty('worker');
    expect(jobs()).toBe(1);
  });

  test('shows the last user message of `messages`', async () => {
    await world.addWorker();
    const { client } = await start();
    const messages = [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'first' },
      { role: 'user', content: [{ type: 'text', text: 'sec' }, { type: 'image' }, null, { text: 'ond' }] },
      { role: 'assistant', content: null },
    ];
    await askOk(client, prompt(newId(), { input: undefined, messages }));
    expect((await client.nextFrame('item')).item).toMatchObject({ input: 'second' });
  });

  test('names its model, or gets the default one, or the only one that is offered', async () => {
    await world.addWorker('w1', ['a']);
    const plain = await start();
    await askOk(plain.client, prompt('g1'));
    await world.addWorker('w2', ['b', 'c']);
    await askOk(plain.client, prompt('g2', { model: 'c' }));
    const withDefault = await start({ defaultModel: 'b' });
    await askOk(withDefault.client, prompt('g3'));
    const modelOf = async (id: string): Promise<unknown> => {
      const key = keyOf('s1', id);
      const stored = await world.bus.sessions.item(key, key.generation);
      return stored?.item.kind === 'generation' ? stored.item.model : undefined;
    };
    expect([await modelOf('g1'), await modelOf('g2'), await modelOf('g3')]).toEqual(['a', 'c', 'b']);
  });

  test('without a model is refused where there are several and no default, and is told which there are', async () => {
    const many = Array.from({ length: 30 }, (_, n) => `m${100 + n}`);
    await world.addWorker('w1', many);
    const { client } = await start();
    const refused = await ask(client, prompt(newId()));
    expect(refused).toMatchObject({ code: 'bad_frame', retryable: false });
    expect(refused).toMatchObject({ message: expect.stringContaining('m100, m101') });
    expect(refused).toMatchObject({ message: expect.stringContaining('m119 and 10 more') });
    expect(refused).toMatchObject({ message: expect.stringContaining('SLUICE_DEFAULT_MODEL') });
  });

  test('names a model that its org may use, or is refused; by default it gets the only one of those', async () => {
    await world.addWorker('w1', ['a', 'b', 'c']);
    await world.bus.orgs.write(keyOf('s1', 'g1').org, { models: ['b'] }, 0);
    const { edge, client } = await start({ defaultModel: 'a' });
    for (const model of ['a', 'c'])
      expect(await codeOf(client, prompt(newId(), { model }))).toBe('forbidden');
    await askOk(client, prompt('g1'));
    await askOk(client, prompt('g2', { model: 'b' }));
    await askOk(await edge.open({ org: 'other' }), prompt('g3'));
    const keys = [keyOf('s1', 'g1'), keyOf('s1', 'g2'), keyOf('s1', 'g3', 'other')];
    const items = await Promise.all(keys.map((key) => world.bus.sessions.item(key, key.generation)));
    expect(items.map((stored) => stored?.item)).toMatchObject([
      { model: 'b' },
      { model: 'b' },
      { model: 'a' },
    ]);
  });

  test('is refused where no worker is up, or none offers the model, and nothing is stored', async () => {
    const { client } = await start();
    expect(await ask(client, prompt('g1'))).toMatchObject({ code: 'unavailable', retryable: true });
    await world.addWorker('w1', ['m1']);
    const refused = await ask(client, prompt('g2', { model: 'm2' }));
    expect(refused).toMatchObject({ code: 'model_not_found', retryable: false });
    expect(refused).toMatchObject({ message: expect.stringContaining('`m1`') });
    expect(await codeOf(client, prompt('g1'))).toBe('ok');
    expect([...world.hub.prompts.keys()]).toEqual(['acme.s1.g1']);
  });

  test('is unavailable while the worker of its model restarts', async () => {
    await world.addWorker('w1', ['m1']);
    const leaver = await world.addWorker('w2', ['m2']);
    const { client } = await start();
    await askOk(client, prompt('g1', { model: 'm2' }));
    await leaver.retire();
    await waitFor(async () => (await codeOf(client, prompt(newId(), { model: 'm2' }))) !== 'ok', {
      what: 'the edge to see that the worker is gone',
    });
    expect(await ask(client, prompt(newId(), { model: 'm2' }))).toMatchObject({
      ...{ code: 'unavailable', retryable: true, retryAfterMs: 2_000 },
    });
  });

  test('is unavailable where storage is nearly full, and so is a message', async () => {
    await world.addWorker();
    const first = await start();
    await askOk(first.client, prompt('g1'));
    await askOk(first.client, { type: 'message', session: 's1', message: 'm1', text: 'x' });
    const edge = await world.addEdge({ fullness: 0.8 });
    const client = await edge.open();
    expect(await ask(client, prompt('g2'))).toMatchObject({ code: 'unavailable', retryAfterMs: 30_000 });
    const message = (id: string) => ({ type: 'message', session: 's1', message: id, text: 'x' });
    expect(await codeOf(client, message('m2'))).toBe('unavailable');
    // What is there already is found nevertheless.
    expect(await codeOf(client, prompt('g1'))).toBe('ok');
    expect(await codeOf(client, message('m1'))).toBe('ok');
  });

  test('is unavailable while storage is down, and may be repeated afterwards', async () => {
    await world.addWorker();
    const { edge, client } = await start();
    edge.recording.isDown = true;
    expect(await codeOf(client, prompt('g1'))).toBe('unavailable');
    edge.recording.isDown = false;
    expect(await ask(client, prompt('g1'))).toMatchObject({ created: true });
  });
});

describe('a prompt sent again', () => {
  test('50 times at once through two edges makes one generation and one job', async () => {
    await world.addWorker();
    const edges = [await world.addEdge(), await world.addEdge()];
    const clients: RawClient[] = [];
    for (let i = 0; i < 10; i += 1) clients.push(await (edges[i % 2] as TestEdge).open());
    const generation = newId();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => ask(clients[i % 10] as RawClient, prompt(generation))),
    );
    expect(answers.filter((answer) => answer.type === 'ok' && answer.created === true)).toHaveLength(1);
    expect(answers.every((answer) => answer.type === 'ok' && answer.generation === generation)).toBe(true);
    expect(jobs()).toBe(1);
    expect(world.hub.items.size).toBe(1);
  });

  test('with the fields in another order is the same', async () => {
    await world.addWorker();
    const { client } = await start();
    await askOk(client, prompt('g1', { params: { seed: 1, top_p: 1 } }));
    const again = {
      params: { top_p: 1, seed: 1 },
      input: 'hello',
      generation: 'g1',
      session: 's1',
      type: 'prompt',
    };
    expect(await ask(client, again)).toMatchObject({ type: 'ok', created: false });
  });

  test.each([
    ['input', { input: 'other' }],
    ['model', { model: 'm1' }],
    ['params', { params: { seed: 1 } }],
    ['lead', { lead: 'strict' }],
    ['governor', { governor: 'owner' }],
    ['what becomes of it', { onAbandon: 'finish' }],
    ['messages', { input: undefined, messages: [{ role: 'user', content: 'hello' }] }],
  ])('with another %s is a conflict, and changes nothing', async (_name, more) => {
    await world.addWorker();
    const { client } = await start();
    await askOk(client, prompt('g1'));
    const before = structuredClone([...world.hub.items.values()]);
    expect(await ask(client, prompt('g1', more))).toMatchObject({
      code: 'conflict',
      retryable: false,
      session: 's1',
      generation: 'g1',
    });
    expect([...world.hub.items.values()]).toEqual(before);
    expect(jobs()).toBe(1);
  });

  test('with an array for an object of the same pairs is a conflict', async () => {
    await world.addWorker();
    const { client } = await start();
    await askOk(client, prompt('g1', { params: { response_format: { a: 1 } } }));
    expect(await codeOf(client, prompt('g1', { params: { response_format: [['a', 1]] } }))).toBe('conflict');
  });

  test('after it is done is found, and runs no more', async () => {
    const worker = await world.addWorker();
    const { client } = await start();
    await askOk(client, prompt('g1'));
    const run = await worker.claim(keyOf('s1', 'g1'));
    await run.write('a');
    await run.end();
    expect(await ask(client, prompt('g1'))).toMatchObject({ created: false });
    expect(jobs()).toBe(1);
  });

  test('heals a crash between its three writes', async () => {
    await world.addWorker();
    const { edge, client } = await start();
    await askOk(client, prompt('g1'));
    world.hub.items.clear();
    world.hub.queued.clear();
    expect(await ask(client, prompt('g1'))).toMatchObject({ created: false });
    expect(world.hub.items.size).toBe(1);
    expect(jobs()).toBe(1);
    expect(edge.recording.operations).toContain('jobs.publish');
  });

  test('with the id of a message of the session is a conflict', async () => {
    await world.addWorker();
    const { client } = await start();
    await askOk(client, { type: 'message', session: 's1', message: 'taken', text: 'x' });
    expect(await codeOf(client, prompt('taken'))).toBe('conflict');
    expect(jobs()).toBe(0);
  });

  test('by another user is found under the same id, for a session is shared', async () => {
    await world.addWorker();
    const { edge, client } = await start();
    await askOk(client, prompt('g1'));
    const bob = await edge.open({ user: 'bob' });
    expect(await ask(bob, prompt('g1'))).toMatchObject({ created: false });
  });
});

describe('quotas', () => {
  test('of prompts per minute refuse new ones with a time to wait, per user, and never repeats', async () => {
    await world.addWorker();
    const now = Date.now();
    const { edge, client } = await start({ promptsPerMinute: 2, clock: { ...systemClock, now: () => now } });
    await askOk(client, prompt('g1'));
    await askOk(client, prompt('g2'));
    const refused = await ask(client, prompt('g3'));
    expect(refused).toMatchObject({
      ...{ code: 'rate_limited', retryable: true, retryAfterMs: 60_000 - (now % 60_000) },
      message: 'promptsPerMinute of this user: 2 of 2 used',
    });
    expect(await ask(client, prompt('g1'))).toMatchObject({ type: 'ok', created: false });
    expect(await codeOf(client, prompt('g1', { input: 'other' }))).toBe('conflict');
    expect(await codeOf(await edge.open({ user: 'bob' }), prompt('g4'))).toBe('ok');
    expect(await codeOf(await edge.open({ org: 'globex' }), prompt('g3'))).toBe('ok');
    expect(world.hub.prompts.has('acme.s1.g3')).toBe(false);
  });

  test('of items per session refuse prompts and messages beyond them, and never repeats', async () => {
    await world.addWorker();
    const { client } = await start({ maxItemsPerSession: 3 });
    const message = (id: string) => ({ type: 'message', session: 's1', message: id, text: 'x' });
    await askOk(client, prompt('g1'));
    await askOk(client, message('m1'));
    await askOk(client, prompt('g2'));
    await settled(client);
    expect(await ask(client, prompt('g3'))).toMatchObject({ code: 'quota_exceeded', retryable: false });
    expect(await codeOf(client, message('m2'))).toBe('quota_exceeded');
    expect(await codeOf(client, prompt('g1'))).toBe('ok');
    expect(await codeOf(client, message('m1'))).toBe('ok');
    expect(await codeOf(client, { ...prompt('g3'), session: 's2' })).toBe('ok');
  });

  test('of items count those of earlier times, and for whoever does not watch the session', async () => {
    await world.addWorker();
    const first = await start();
    for (let i = 0; i < 120; i += 1)
      await askOk(first.client, { type: 'message', session: 's1', message: `m${i}`, text: 'x' });
    const { edge, client } = await start({ maxItemsPerSession: 120 });
    expect(await codeOf(client, prompt('g1'))).toBe('quota_exceeded');
    const blind = await edge.open({ scope: 'prompt' });
    expect(await codeOf(blind, prompt('g1'))).toBe('quota_exceeded');
    expect(await codeOf(blind, { type: 'message', session: 's1', message: 'n', text: 'x' })).toBe(
      'quota_exceeded',
    );
  });

  test('of items do not count an item twice when it changes', async () => {
    const worker = await world.addWorker();
    const { client } = await start({ maxItemsPerSession: 2 });
    await askOk(client, prompt('g1'));
    const run = await worker.claim(keyOf('s1', 'g1'));
    await run.write('a');
    await run.requeue();
    await (await worker.claim(keyOf('s1', 'g1'))).end();
    await client.nextFrame('end');
    expect(await codeOf(client, prompt('g2'))).toBe('ok');
  });
});
