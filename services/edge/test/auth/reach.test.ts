import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { RawClient } from '@sluice/testkit';
import { askOk, codeOf, keyOf, newId } from '../support/asking.ts';
import { createWorld } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

let world: World;
let target: TestEdge;
beforeAll(async () => {
  world = createWorld();
  target = await world.addEdge();
  await world.addWorker();
});
afterAll(() => world.close());

const verbs = (session: string) => ({
  subscribe: { type: 'subscribe', session },
  prompt: { type: 'prompt', session, generation: newId(), input: 'x' },
  message: { type: 'message', session, message: newId(), text: 'x' },
  cancel: { type: 'cancel', session, generation: newId() },
});

describe('a token with scope', () => {
  test.each([
    ['read', { subscribe: 'ok', prompt: 'forbidden', message: 'forbidden' }],
    ['prompt', { subscribe: 'forbidden', prompt: 'ok', message: 'ok' }],
    ['cancel', { subscribe: 'forbidden', prompt: 'forbidden', message: 'forbidden' }],
    ['admin', { subscribe: 'forbidden', prompt: 'forbidden', message: 'forbidden' }],
    ['', { subscribe: 'forbidden', prompt: 'forbidden', message: 'forbidden' }],
    ['reader promptly', { subscribe: 'forbidden', prompt: 'forbidden', message: 'forbidden' }],
    ['read prompt', { subscribe: 'ok', prompt: 'ok', message: 'ok' }],
    [undefined, { subscribe: 'ok', prompt: 'ok', message: 'ok' }],
  ] as const)('`%s` may do just that', async (scope, expected) => {
    const client = await target.open(scope === undefined ? {} : { scope });
    const { subscribe, prompt, message } = verbs(newId());
    expect({
      subscribe: await codeOf(client, subscribe),
      prompt: await codeOf(client, prompt),
      message: await codeOf(client, message),
    }).toEqual(expected);
  });

  test.each([
    ['read', 'forbidden'],
    ['read prompt cancel admin', 'forbidden'],
    ['read signal', 'ok'],
    [undefined, 'ok'],
  ])('`%s` signals: %s', async (scope, expected) => {
    const client = await target.open(scope === undefined ? {} : { scope });
    await askOk(client, { type: 'subscribe', session: 's-signals' });
    expect(await codeOf(client, { type: 'signal', session: 's-signals', data: 1 })).toBe(expected);
  });

  test('without `cancel` cancels what its user started, and nothing else', async () => {
    const author = await target.open({ scope: 'prompt' });
    const reader = await target.open({ scope: 'read prompt', user: 'bob' });
    const canceller = await target.open({ scope: 'cancel', user: 'carol' });
    const start = async (session: string): Promise<{ session: string; generation: string }> => {
      const generation = newId();
      await askOk(author, { type: 'prompt', session, generation, input: 'x' });
      return { session, generation };
    };
    const [one, two] = [await start('s-cancel'), await start('s-cancel')];
    expect(await codeOf(reader, { type: 'cancel', ...one })).toBe('forbidden');
    expect(await codeOf(author, { type: 'cancel', ...one })).toBe('ok');
    expect(await codeOf(canceller, { type: 'cancel', ...two })).toBe('ok');
    const key = keyOf('s-cancel', two.generation);
    expect((await world.bus.sessions.item(key, key.generation))?.item).toMatchObject({ status: 'done' });
  });

  test('`prompt` alone is not subscribed by its prompt', async () => {
    const client = await target.open({ scope: 'prompt' });
    await askOk(client, verbs('s-write-only').prompt);
    expect(client.frames('subscribed')).toEqual([]);
  });
});

describe('a token with session patterns', () => {
  let client: RawClient;
  beforeAll(async () => {
    client = await target.open({ sessions: ['exact', 'team-*', 'x*'] });
  });

  test.each([
    ['exact', 'ok'],
    ['team-', 'ok'],
    ['team-1', 'ok'],
    ['x', 'ok'],
    ['exac', 'not_found'],
    ['exact2', 'not_found'],
    ['Exact', 'not_found'],
    ['team', 'not_found'],
    ['other-team-1', 'not_found'],
  ])('subscribes to %s: %s', async (session, expected) => {
    expect(await codeOf(client, { type: 'subscribe', session })).toBe(expected);
  });

  test('finds nothing outside them, whatever it asks', async () => {
    for (const frame of Object.values(verbs('outside')))
      expect(await codeOf(client, frame)).toBe('not_found');
    const asks = [
      { type: 'ack', session: 'outside', generation: 'g', epoch: 0, seq: 1 },
      { type: 'signal', session: 'outside', data: 1 },
    ];
    for (const frame of asks) expect(await codeOf(client, frame)).toBe('not_found');
  });

  test('finds nothing outside them before it hears that a scope is missing', async () => {
    const narrow = await target.open({ scope: '', sessions: ['exact'] });
    expect(await codeOf(narrow, { type: 'subscribe', session: 'outside' })).toBe('not_found');
    expect(await codeOf(narrow, { type: 'subscribe', session: 'exact' })).toBe('forbidden');
  });

  test('an empty list reaches no session, and `*` reaches all', async () => {
    const none = await target.open({ sessions: [] });
    expect(await codeOf(none, { type: 'subscribe', session: 'exact' })).toBe('not_found');
    const all = await target.open({ sessions: ['*'] });
    expect(await codeOf(all, { type: 'subscribe', session: 'anything' })).toBe('ok');
  });
});
