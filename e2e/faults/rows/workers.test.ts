import { expect } from '@jest/globals';
import { headOf } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { keyOf } from '../../support/clients.ts';
import type { World } from '../nemesis.ts';
import { longest, p95, playRows, repeat, seconds, untilFlowing } from './row.ts';

/** No crash may end a run that is not the crash's reason. */
const SHORT = { sessions: 5, viewers: 2, tokens: 300 };
/** Of each answer in the load of the poisons: long enough to share all its workers. */
const TOKENS = 900;

/**
 * Asks for what kills each worker that takes it, as soon as its log has reached a token.
 * @returns ms from the first kill to the end
 */
const killEveryRunner = async (
  { fleet, bus, load }: World,
  session: string,
  { atToken = 0, ...simulated }: { readonly atToken?: number; readonly ttftMs?: number },
): Promise<number> => {
  const started = load.ask('acme', session, { tokens: 10_000, ...simulated });
  const key = keyOf(session, started.id);
  const killed = new Map<string, Promise<unknown>>();
  let firstKill = 0;
  const isOver = async (): Promise<boolean> => {
    const item = (await bus.sessions.item(key, key.generation))?.item;
    if (item?.kind !== 'generation') return false;
    const runner = fleet.workers.findIndex(({ name }) => name === item.worker);
    const head = (await bus.tokens.head(key))?.record;
    const isDeadly = (head === undefined ? 0 : headOf(head)) >= atToken;
    if (item.worker !== undefined && runner >= 0 && isDeadly && !killed.has(item.worker)) {
      if (killed.size === 0) firstKill = performance.now();
      killed.set(item.worker, fleet.replaceWorker(runner, 'SIGKILL'));
    }
    return item.status === 'done';
  };
  await waitFor(isOver, { what: `the poison of ${session} to end`, timeoutMs: 90_000, pollMs: 20 });
  const ms = performance.now() - firstKill;
  await Promise.all(killed.values());
  return Math.round(ms);
};

/** Attempts that died with their worker, of each generation of the load. */
const crashesOf = ({ bus, load }: World): Promise<readonly number[]> =>
  Promise.all(
    load.started.map(async ({ room: { org, session }, id }) => {
      const key = keyOf(session, id, org);
      const item = (await bus.sessions.item(key, key.generation))?.item;
      return session.endsWith('poison') || item?.kind !== 'generation' ? 0 : (item.allCrashes ?? 0);
    }),
  );

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
    title: 'prompts that kill every worker that takes them end as errors after the third, and harm no other',
    target: 'ended <= 3 x 5 s + 5 s, by error; all others complete',
    options: { workers: 3, load: { sessions: 10, viewers: 1, tokens: TOKENS } },
    play: async (world) => {
      await untilFlowing(world);
      const first = await killEveryRunner(world, 'poison', { ttftMs: 60_000 });
      await untilFlowing(world);
      const later = await killEveryRunner(world, 'late-poison', { atToken: 50 });
      const hit = await crashesOf(world);
      return {
        ...{ 'poison ended ms': first, 'poison at token 50 ms': later },
        'others hit / twice': `${hit.filter((all) => all > 0).length} / ${hit.filter((all) => all > 1).length}`,
      };
    },
    holds: ({ histories, figures }) => {
      const poisons = histories.filter(({ session }) => session.endsWith('poison'));
      for (const { item } of poisons)
        expect(item).toMatchObject({
          ...{ reason: 'error', error: { code: 'worker_crashed' }, attempt: 3, crashes: 3 },
        });
      expect(poisons).toHaveLength(2);
      const others = histories.filter((history) => history.accepted && !poisons.includes(history));
      for (const { item } of others) expect(item).toMatchObject({ reason: 'stop', seq: TOKENS });
      // They were in it.
      expect(others.filter(({ item }) => (item?.allCrashes ?? 0) > 0).length).toBeGreaterThan(4);
      expect(figures['poison ended ms']).toBeLessThanOrEqual(20_000);
      expect(figures['poison at token 50 ms']).toBeLessThanOrEqual(20_000);
    },
  },
]);
