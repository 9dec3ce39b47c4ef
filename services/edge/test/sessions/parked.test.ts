import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BusRefusedError } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import type { RawClient } from '@sluice/testkit';
import { ManualClock, waitFor } from '@sluice/testkit';
import { askOk, keyOf, newId } from '../support/asking.ts';
import type { FakeWorker } from '../support/fake-worker.ts';
import type { RecordingBus } from '../support/recording-bus.ts';
import { createWorld } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

let world: World;
let target: TestEdge;
let worker: FakeWorker;
let viewer: RawClient;
let key: GenerationKey;
beforeEach(async () => {
  world = createWorld();
  target = await world.addEdge();
  worker = await world.addWorker();
  viewer = await target.open();
  key = keyOf('s1', newId());
  await askOk(viewer, { type: 'prompt', session: 's1', generation: key.generation, input: 'x' });
});
afterEach(() => world.close());

const item = async (): Promise<StoredGeneration> =>
  (await world.bus.sessions.item(key, key.generation))?.item as StoredGeneration;
const queuedAgain = (): Promise<unknown> =>
  waitFor(async () => (await item()).status === 'queued', { what: 'it to be queued again' });
const words = (count: number): string[] => Array.from({ length: count }, (_, i) => `w${i} `);

describe('a parked generation', () => {
  test('goes on by itself where its viewer has acked everything: the acks were lost, not the viewer', async () => {
    const run = await worker.claim(key);
    await run.write(...words(20));
    await viewer.nextFrame((frame) => frame.type === 'delta' && frame.seq === 20, 5_000);
    viewer.send({ type: 'ack', session: 's1', generation: key.generation, epoch: 0, seq: 20 });
    await run.park();
    await queuedAgain();
    const again = await worker.claim(key);
    await again.write('more');
    await viewer.nextFrame((frame) => frame.type === 'delta' && frame.seq === 21, 5_000);
  });

  test('waits while its viewer acks nothing, and goes on at the next ack', async () => {
    const run = await worker.claim(key);
    await run.write(...words(40));
    await viewer.nextFrame((frame) => frame.type === 'delta' && frame.seq === 40, 5_000);
    await run.park();
    await viewer.nextFrame((frame) => frame.type === 'state' && frame.state === 'parked', 5_000);
    // Two ticks of the edge pass before the next announcement that anybody is here.
    await askOk(viewer, { type: 'ping' });
    expect((await item()).status).toBe('parked');
    viewer.send({ type: 'ack', session: 's1', generation: key.generation, epoch: 0, seq: 1 });
    await queuedAgain();
  });

  test('is not revived at every ack while the store is full, and goes on once there is room', async () => {
    let isFull = true;
    let tries = 0;
    const prepare = ({ bus: { sessions } }: RecordingBus): void => {
      const { updateItem } = sessions;
      const refuse = (): Promise<never> => Promise.reject(new BusRefusedError('full', 'full'));
      const counted: typeof updateItem = (...args) => {
        tries += 1;
        return isFull ? refuse() : updateItem(...args);
      };
      Object.assign(sessions, { updateItem: counted });
    };
    const clock = new ManualClock(Date.now());
    const edge = await world.addEdge({ prepare, clock });
    const back = await edge.open();
    const run = await worker.claim(key);
    await run.write(...words(40));
    await run.park();
    await askOk(back, { type: 'subscribe', session: 's1' });
    await back.nextFrame((frame) => frame.type === 'delta' && frame.seq === 40, 5_000);
    for (let seq = 1; seq <= 40; seq += 1) {
      back.send({ type: 'ack', session: 's1', generation: key.generation, epoch: 0, seq });
      await askOk(back, { type: 'ping' });
    }
    expect(tries).toBe(1);
    isFull = false;
    clock.advance(5_000);
    await queuedAgain();
  });

  test('keeps its text in the item, and tells it as deltas only', async () => {
    const run = await worker.claim(key);
    // So far ahead of the viewer that it is not taken for one whose acks were lost.
    await run.write('kept', ...words(40));
    await run.park();
    await viewer.nextFrame(
      (frame) => frame.type === 'item' && JSON.stringify(frame).includes('"parked"'),
      5_000,
    );
    expect(await item()).toMatchObject({ text: `kept${words(40).join('')}` });
    expect(viewer.frames('item').some((frame) => JSON.stringify(frame).includes('kept'))).toBe(false);
  });
});
