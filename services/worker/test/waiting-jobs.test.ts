import { beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '@sluice/runtime';
import { waitFor } from '@sluice/testkit';
import { freshScene } from './support/scene.ts';
import { ScriptedEngine } from './support/scripted-engine.ts';
import { keyOf, words, World } from './support/world.ts';

const scene = freshScene();

// As long as in earnest: no job comes again while it runs.
beforeEach(() => {
  scene.world = new World({ ackWaitMs: 30_000 });
});

const ran = (engine = scene.world.engine): string[] => engine.requests.map(({ generation }) => generation);

const untilRun = (count: number, engine = scene.world.engine) =>
  waitFor(() => ran(engine).length >= count, { what: `${count} runs to have begun` });

const submitAll = async (org: string, user: string, ids: readonly string[]): Promise<void> => {
  for (const id of ids) await scene.world.submit(id, {}, { org, user, queue: 'w1' });
};

/** All jobs have come to a worker. */
const untilTaken = () =>
  waitFor(() => [...scene.world.hub.queued.values()].every(({ deliveries }) => deliveries > 0), {
    what: 'no job to be left in a queue',
  });

/** Ends runs one after the other, as they come, until so many have begun. */
const runOneByOne = async (count: number): Promise<string[]> => {
  for (let n = 1; n < count; n += 1) {
    await untilRun(n);
    scene.world.engine.end(ran()[n - 1] ?? '');
  }
  await untilRun(count);
  return ran();
};

describe('jobs that wait for a slot', () => {
  test('take turns by org, and by user within an org', async () => {
    await scene.world.start('w1', { slots: 1 });
    await scene.world.submit('first', {}, { org: 'a', user: 'ann', queue: 'w1' });
    await untilRun(1);
    await submitAll('a', 'ann', ['a1', 'a2', 'a3', 'a4', 'a5']);
    await submitAll('a', 'bob', ['b1']);
    await submitAll('other', 'eve', ['o1', 'o2']);
    await untilTaken();
    const order = await runOneByOne(9);
    const late = (id: string): number => order.indexOf(id);
    expect(late('o1')).toBeLessThan(late('a1'));
    expect(late('b1')).toBeLessThan(late('a2'));
    expect(late('o2')).toBeLessThan(late('a2'));
    expect(order.slice(-4)).toEqual(['a2', 'a3', 'a4', 'a5']);
  });

  test('take turns with what comes by the shared queue', async () => {
    await scene.world.start('w1', { slots: 1 });
    await scene.world.submit('first', {}, { org: 'a', queue: 'w1' });
    await untilRun(1);
    await submitAll('a', 'ann', ['a1', 'a2']);
    await scene.world.submit('o1', {}, { org: 'other' });
    await untilTaken();
    const order = await runOneByOne(4);
    expect(order.indexOf('o1')).toBe(1);
  });

  test('go to a worker that becomes free', async () => {
    await scene.world.start('w1', { slots: 1 });
    const other = new ScriptedEngine();
    await scene.world.start('w2', { slots: 1, engine: other });
    await scene.world.submit('first', {}, { queue: 'w1' });
    await scene.world.submit('second', {}, { queue: 'w2' });
    await Promise.all([untilRun(1), untilRun(1, other)]);
    await submitAll('acme', 'ann', ['third']);
    other.end('second');
    await waitFor(() => ran(other).includes('third'), { what: 'the third to run at w2', timeoutMs: 8_000 });
    expect(ran()).toEqual(['first']);
  });

  test('run once and are done with, though they came by two queues', async () => {
    await scene.world.start('w1', { slots: 1 });
    await scene.world.submit('first', {}, { queue: 'w1' });
    await untilRun(1);
    await submitAll('acme', 'ann', ['twice']);
    await scene.world.bus.jobs.publish({ ...keyOf('twice'), model: 'm', attempt: 1, user: 'ann' });
    scene.world.engine.end('first');
    await untilRun(2);
    scene.world.engine.end('twice');
    expect(await scene.world.until('twice', 'done')).toMatchObject({ attempt: 1 });
    const isEmpty = (): boolean => [...scene.world.hub.queued.values()].every(({ acked }) => acked);
    await waitFor(isEmpty, { what: 'no job to be left' });
    expect(ran()).toEqual(['first', 'twice']);
  });

  test('are passed on by a worker that is asked to stop, whatever queue they came by', async () => {
    const leaving = await scene.world.start('w1', { slots: 1 });
    await submitAll('acme', 'ann', ['first', 'second']);
    await untilRun(1);
    await scene.world.submit('third');
    await untilTaken();
    await leaving.close();
    const other = new ScriptedEngine();
    await scene.world.start('w2', { engine: other });
    await untilRun(3, other);
    expect(ran(other).toSorted()).toEqual(['first', 'second', 'third']);
  });
});

describe('a run makes room for an org that has fewer slots', () => {
  test('at once where nobody has seen anything of it, and starts again in its turn', async () => {
    scene.world.engine.continues = false;
    await scene.world.start('w1', { slots: 2 });
    await submitAll('greedy', 'ann', ['g1', 'g2', 'g3']);
    await untilRun(2);
    await submitAll('quiet', 'eve', ['q1']);
    await untilRun(3);
    expect(ran()[2]).toBe('q1');
    scene.world.engine.end('q1');
    await untilRun(4);
    expect(await scene.world.bus.jobs.owners()).toEqual(['w1']);
  });

  test('but not where its text would be lost to somebody who has seen it', async () => {
    scene.world.engine.continues = false;
    await scene.world.start('w1', { slots: 2 });
    for (const id of ['g1', 'g2']) {
      await scene.world.submit(id, {}, { queue: 'w1' });
      scene.world.engine.say(id, ...words(3));
    }
    await waitFor(() => scene.world.engine.taken === 6, { what: 'both to stream' });
    for (const id of ['g1', 'g2']) scene.world.ack(id, 3);
    await submitAll('quiet', 'eve', ['q1']);
    scene.world.engine.say('g1', ...words(1, 4));
    await waitFor(() => scene.world.engine.taken === 7, { what: 'the next token' });
    scene.world.engine.end('g1');
    await untilRun(3);
    expect(await scene.world.until('g1', 'done')).toMatchObject({ seq: 4, attempt: 1 });
  });

  test('and goes on from its text where the engine can', async () => {
    await scene.world.start('w1', { slots: 2 });
    for (const id of ['g1', 'g2']) {
      await scene.world.submit(id, {}, { queue: 'w1' });
      scene.world.engine.say(id, ...words(3));
    }
    await waitFor(() => scene.world.engine.taken === 6, { what: 'both to stream' });
    for (const id of ['g1', 'g2']) scene.world.ack(id, 3);
    await submitAll('quiet', 'eve', ['q1']);
    await untilRun(3);
    expect(ran()[2]).toBe('q1');
    scene.world.engine.end('q1');
    await untilRun(4);
    const again = scene.world.engine.requests[3];
    expect(again?.prefix).toEqual(words(3));
    const back = await scene.world.item(again?.generation ?? '');
    expect(back).toMatchObject({ attempt: 2 });
    expect(back).not.toHaveProperty('crashes');
  });
});

test('four runs that cannot be parked and that nobody watches keep their slots for the time of a hold only', async () => {
  scene.world.engine.continues = false;
  let skew = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + skew };
  const worker = await scene.world.start('w1', { slots: 4, clock });
  const ids = ['g1', 'g2', 'g3', 'g4'];
  for (const id of ids) {
    await scene.world.submit(id, { lead: 'strict' }, { queue: 'w1' });
    scene.world.engine.say(id, ...words(20));
    scene.world.engine.end(id);
  }
  await waitFor(() => scene.world.engine.taken === 64, { what: 'all of them to be held' });
  for (let second = 0; second < 32; second += 1) {
    skew += 1_000;
    worker.tick();
  }
  for (const id of ids) expect(await scene.world.until(id, 'done')).toMatchObject({ seq: 20, attempt: 1 });
});
