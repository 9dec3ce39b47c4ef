import { expect } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import { keyOf } from '../../support/clients.ts';
import type { World } from '../nemesis.ts';
import { longest, p95, playRows, repeat, seconds, untilFlowing } from './row.ts';

/** No crash may end a run that is not the crash's reason. */
const SHORT = { sessions: 5, viewers: 2, tokens: 300 };

/** Kills whoever runs the generation, until nobody does any more. @returns ms from the first kill to the end */
const killEveryRunner = async ({ fleet, bus, load }: World, session: string): Promise<number> => {
  const started = load.ask('acme', session, { ttftMs: 60_000, tokens: 10 });
  const key = keyOf(session, started.id);
  const killed = new Map<string, Promise<unknown>>();
  let firstKill = 0;
  const isOver = async (): Promise<boolean> => {
    const item = (await bus.sessions.item(key, key.generation))?.item;
    if (item?.kind !== 'generation') return false;
    const runner = fleet.workers.findIndex(({ name }) => name === item.worker);
    if (item.worker !== undefined && runner >= 0 && !killed.has(item.worker)) {
      if (killed.size === 0) firstKill = performance.now();
      killed.set(item.worker, fleet.replaceWorker(runner, 'SIGKILL'));
    }
    return item.status === 'done';
  };
  await waitFor(isOver, { what: 'the poison to end', timeoutMs: 90_000, pollMs: 20 });
  const ms = performance.now() - firstKill;
  await Promise.all(killed.values());
  return Math.round(ms);
};

playRows('workers fail', [
  {
    id: 'F7',
    title: 'kill -9 of workers, one after another: another goes on from the same token',
    target: 'hand-over p95 <= 5 s',
    options: { workers: 3, load: SHORT },
    play: (world) =>
      repeat(8, async (index) => {
        await untilFlowing(world);
        await world.fleet.replaceWorker(index % 3, 'SIGKILL');
      }),
    holds: ({ timings }) => {
      expect(timings.handovers.length).toBeGreaterThan(8);
      expect(p95(timings.handovers)).toBeLessThanOrEqual(5_000);
    },
  },
  {
    id: 'F8',
    title: 'a worker stopped for 20 s is fenced: nothing it writes late is seen',
    target: 'zombie tokens 0, fenced >= 1',
    play: async (world) => {
      await untilFlowing(world);
      const slot = world.fleet.workers[0];
      await slot?.child.pause();
      await seconds(20);
      slot?.child.resume();
      const fenced = (): Promise<number> => world.fleet.workerMetric('sluice_worker_fenced_total');
      const what = 'the stopped worker to be fenced';
      return { fenced: await waitFor(fenced, { what, timeoutMs: 10_000, pollMs: 100 }) };
    },
    holds: ({ figures }) => expect(figures['fenced']).toBeGreaterThanOrEqual(1),
  },
  {
    id: 'F26',
    title: 'a worker told to stop hands over at once, and without generating twice',
    target: 'hand-over <= 1 s, waste 0',
    play: async (world) => {
      const exits: number[] = [];
      await repeat(4, async (index) => {
        await untilFlowing(world);
        const { ms, code } = await world.fleet.replaceWorker(index % 2, 'SIGTERM');
        expect(code).toBe(0);
        exits.push(ms);
      });
      return { 'longest exit ms': Math.round(longest(exits)) };
    },
    holds: ({ timings, figures }) => {
      expect(timings.handovers.length).toBeGreaterThan(4);
      expect(longest(timings.handovers)).toBeLessThanOrEqual(1_000);
      expect(figures['re-generated']).toBe(0);
    },
  },
  {
    id: 'F27',
    title: 'a prompt that kills every worker that takes it ends as an error, and harms no other',
    target: 'ended <= 3 x 5 s + 5 s, by error',
    options: { workers: 3 },
    play: async (world) => {
      await untilFlowing(world);
      const ms = await killEveryRunner(world, 'poison');
      return { 'poison ended ms': ms };
    },
    holds: ({ histories, figures }) => {
      const ended = histories.flatMap(({ session, item }) => (item?.reason === 'error' ? [session] : []));
      expect(ended).toEqual(['poison']);
      expect(figures['poison ended ms']).toBeLessThanOrEqual(20_000);
    },
  },
]);
