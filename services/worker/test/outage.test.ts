import { expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import { Credit } from '../src/runs/credit.ts';
import { freshScene } from './support/scene.ts';
import { keyOf } from './support/world.ts';

const scene = freshScene();

test('a run whose job comes again is left to its worker while that is heard, though the directory has forgotten it', async () => {
  const { bus } = scene.world;
  await scene.world.start('w2');
  let isAlive = true;
  const beating = setInterval(() => {
    if (isAlive) bus.workers.beat({ worker: 'w1', running: [{ ...keyOf('g'), attempt: 1 }] });
  }, 500);
  try {
    // Taken by w1, whose word that it is at it NATS did not hear for 30 s.
    const taking = bus.jobs.pull('m', 5_000, new AbortController().signal);
    await scene.world.submit('g', {}, { status: 'running', attempt: 1, worker: 'w1' });
    await taking;
    const since = performance.now();
    await waitFor(() => performance.now() - since > 6_000, { what: 'many deliveries', timeoutMs: 7_000 });
    expect(await scene.world.item('g')).toMatchObject({ status: 'running', attempt: 1, worker: 'w1' });
    expect(scene.world.engine.requests).toEqual([]);
    isAlive = false;
    await waitFor(() => scene.world.engine.requests.length === 1, { what: 'w2 to go on', timeoutMs: 8_000 });
    expect(await scene.world.item('g')).toMatchObject({ attempt: 2, crashes: 1, worker: 'w2' });
  } finally {
    clearInterval(beating);
  }
}, 20_000);

test('edges are not forgotten for a silence in which nobody could be heard', () => {
  const credit = new Credit({}, 0, { seq: 9, now: 0 });
  credit.onAck({ type: 'ack', edge: 'e', epoch: 0, seq: 9, viewers: 1 }, 0);
  credit.tick(50_000, 2_000);
  expect(credit.governed?.acked).toBe(9);
  credit.tick(65_000, 17_000);
  expect(credit.governed?.acked).toBe(0);
});
