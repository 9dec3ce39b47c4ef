import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { askOk, keyOf, newId } from '../support/asking.ts';
import { createWorld } from '../support/world.ts';
import type { EdgeSetup, World } from '../support/world.ts';

const SLOTS = 4;

let world: World;
beforeEach(() => {
  world = createWorld();
});
afterEach(() => world.close());

const announce = (worker: string, ownQueue = true): Promise<void> =>
  world.bus.workers.announce({ worker, models: ['m1'], slots: SLOTS, ownQueue, running: [] });

const connect = async (setup: EdgeSetup = {}): Promise<RawClient> => (await world.addEdge(setup)).open();

const prompt = async (client: RawClient, session: string): Promise<string> => {
  const generation = newId();
  await askOk(client, { type: 'prompt', session, generation, input: 'hello' });
  return generation;
};

/** Which queues the job of a generation was put into. */
const queuesOf = (generation: string, attempt = 1): string[] =>
  [...world.hub.queued.keys()]
    .filter((subject) => subject.endsWith(`.${generation}.${attempt}`))
    .map((subject) => (subject.startsWith('own.') ? (subject.split('.')[1] ?? '') : 'any'));

test('prompts of a session are placed with one worker, by edges that never met', async () => {
  for (const worker of ['w1', 'w2', 'w3']) await announce(worker);
  const clients = [await connect(), await connect()];
  const homes = new Set<string>();
  for (const session of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
    const placed = new Set<string>();
    for (const client of clients)
      for (const queue of queuesOf(await prompt(client, session))) placed.add(queue);
    expect(placed.size).toBe(1);
    for (const queue of placed) homes.add(queue);
  }
  expect(homes.size).toBeGreaterThan(1);
  expect(homes).not.toContain('any');
});

test('a generation that goes on after a pause is placed where it ran', async () => {
  const [worker] = await Promise.all(['w1', 'w2', 'w3'].map((name) => world.addWorker(name)));
  for (const name of ['w1', 'w2', 'w3']) await announce(name);
  const client = await connect();
  const generation = await prompt(client, 's1');
  const run = await worker?.claim(keyOf('s1', generation));
  await run?.write('a');
  await client.nextFrame('delta');
  client.send({ type: 'ack', session: 's1', generation, epoch: 0, seq: 1 });
  await run?.park();
  await waitFor(() => queuesOf(generation, 2).length > 0, { what: 'a job of the second attempt' });
  expect(queuesOf(generation, 2)).toEqual(queuesOf(generation, 1));
});

test('a worker gets no more than it has slots, until the edge has looked again', async () => {
  await announce('w1');
  const client = await connect();
  const queues: string[] = [];
  for (let n = 0; n < SLOTS + 2; n += 1) queues.push(...queuesOf(await prompt(client, 's')));
  expect(queues).toEqual(['w1', 'w1', 'w1', 'w1', 'any', 'any']);
});

test.each<[string, boolean, EdgeSetup]>([
  ['with a worker that has no queue of its own', false, {}],
  ['while placement is off', true, { placement: false }],
])('nothing is placed %s', async (_name, ownQueue, setup) => {
  await announce('w1', ownQueue);
  const client = await connect(setup);
  expect(queuesOf(await prompt(client, 's'))).toEqual(['any']);
});

test('a generation that nobody takes where it was placed is put into the shared queue', async () => {
  await announce('w1');
  const client = await connect();
  const generation = await prompt(client, 's');
  expect(queuesOf(generation)).toEqual(['w1']);
  await waitFor(() => queuesOf(generation).includes('any'), { what: 'its job for any', timeoutMs: 10_000 });
}, 15_000);
