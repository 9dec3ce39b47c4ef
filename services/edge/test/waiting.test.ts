/** What a frame waits for, over each transport: the frames of its own session, and nothing else. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { GenerationKey } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { answersTo, askOk, codeOf, keyOf, newId } from './support/asking.ts';
import { hold } from './support/hold.ts';
import { createWorld } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
afterEach(() => world.close());

describe.each(['websocket', 'sse', 'poll'] as const)('over %s, behind a prompt that hangs', (transport) => {
  let target: TestEdge;
  let client: RawClient;
  let slow: GenerationKey;
  let release: () => void;
  const open = (): Promise<RawClient> =>
    transport === 'websocket' ? target.open() : target.openHttp({}, { transport });
  const prompt = ({ session, generation }: GenerationKey) =>
    ({ type: 'prompt', session, generation, input: 'x' }) as const;
  const cancel = ({ session, generation }: GenerationKey) =>
    ({ type: 'cancel', session, generation }) as const;
  const answer = (id: string) => waitFor(() => answersTo(client, id)[0], { what: `the answer to ${id}` });
  const itemOf = async (key: GenerationKey) => (await world.bus.sessions.item(key, key.generation))?.item;

  beforeEach(async () => {
    target = await world.addEdge();
    await world.addWorker();
    client = await open();
    for (const session of ['s', 't']) await askOk(client, { type: 'subscribe', session });
    slow = keyOf('s', newId());
    release = () => undefined;
  });
  afterEach(() => release());

  const hang = (): void => {
    release = hold(target.recording.bus.sessions, 'createPrompt', (key) =>
      JSON.stringify(key).includes(slow.generation),
    );
    client.send({ ...prompt(slow), id: 'slow' });
  };

  test('cancels of other generations are answered at once, in its session and in others', async () => {
    const [same, other] = [keyOf('s', newId()), keyOf('t', newId())];
    for (const key of [same, other]) await askOk(client, prompt(key));
    hang();
    for (const key of [same, other]) {
      expect(await codeOf(client, cancel(key))).toBe('ok');
      expect(await itemOf(key)).toMatchObject({ status: 'done', reason: 'cancelled' });
    }
    expect(answersTo(client, 'slow')).toEqual([]);
  });

  test('pings, acks and signals are answered at once', async () => {
    const run = keyOf('s', newId());
    await askOk(client, prompt(run));
    hang();
    expect(await codeOf(client, { type: 'ping' })).toBe('ok');
    const ack = { type: 'ack', session: 's', generation: run.generation, epoch: 0, seq: 0 };
    expect(await codeOf(client, ack)).toBe('ok');
    expect(await codeOf(client, { type: 'signal', session: 's', data: 1 })).toBe('ok');
    expect(answersTo(client, 'slow')).toEqual([]);
  });

  test('whatever is asked of other sessions is answered at once', async () => {
    hang();
    expect(await codeOf(client, { type: 'subscribe', session: 'u' })).toBe('ok');
    expect(await codeOf(client, { type: 'message', session: 't', message: 'm', text: 'x' })).toBe('ok');
    expect(await codeOf(client, prompt(keyOf('v', newId())))).toBe('ok');
    expect(await codeOf(client, { type: 'unsubscribe', session: 't' })).toBe('ok');
    expect(answersTo(client, 'slow')).toEqual([]);
  });

  test('its own cancel comes after it, and ends it as cancelled', async () => {
    hang();
    client.send({ ...cancel(slow), id: 'cancel' });
    await askOk(client, { type: 'ping' });
    expect(answersTo(client, 'cancel')).toEqual([]);
    release();
    expect(await answer('cancel')).toMatchObject({ type: 'ok' });
    const answered = client.frames('ok').map(({ re }) => re);
    expect(answered.indexOf('slow')).toBeLessThan(answered.indexOf('cancel'));
    expect(await itemOf(slow)).toMatchObject({ status: 'done', reason: 'cancelled' });
  });

  test('what is asked of its session comes after it, in order', async () => {
    hang();
    const ids = Array.from({ length: 20 }, (_, at) => `m${at}`);
    for (const id of ids) client.send({ type: 'message', id, session: 's', message: id, text: 'x' });
    await askOk(client, { type: 'ping' });
    expect(ids.flatMap((id) => answersTo(client, id))).toEqual([]);
    release();
    await answer('m19');
    const answered = client.frames('ok').map(({ re }) => re);
    expect(answered.slice(answered.indexOf('slow'))).toEqual(['slow', ...ids]);
  });

  test('what waits is dropped with its connection', async () => {
    hang();
    client.send({ type: 'message', session: 's', message: 'never', text: 'x' });
    client.send(cancel(slow));
    await askOk(client, { type: 'ping' });
    client.close();
    await waitFor(async () => (await connectionsOf(target)) === 0, { what: 'it to be closed' });
    release();
    await waitFor(async () => (await itemOf(slow)) !== undefined, { what: 'the prompt that had begun' });
    const other = await target.open();
    await askOk(other, { type: 'subscribe', session: 's' });
    expect(other.frames('subscribed')[0]?.items).toMatchObject([{ id: slow.generation, status: 'queued' }]);
  });
});

const connectionsOf = async ({ edge }: TestEdge): Promise<number | undefined> => {
  const metric = await edge.metrics.registry.getSingleMetric('sluice_edge_connections')?.get();
  return metric?.values.reduce((sum, { value }) => sum + value, 0);
};
