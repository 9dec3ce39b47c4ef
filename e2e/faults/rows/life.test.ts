import { expect } from '@jest/globals';
import { openRawClient, waitFor } from '@sluice/testkit';
import { keyOf, tokenFor } from '../../support/clients.ts';
import { emptyStream } from '../../support/empty-stream.ts';
import { watermarkOf } from '../history.ts';
import type { History } from '../history.ts';
import type { Started } from '../load.ts';
import type { World } from '../nemesis.ts';
import { playRows, repeat, seconds, untilFlowing } from './row.ts';

const stopWorkers = ({ fleet }: World, signal: NodeJS.Signals): Promise<unknown> =>
  Promise.all(fleet.workers.map((_slot, index) => fleet.stopWorker(index, signal)));
const startWorkers = ({ fleet }: World): Promise<unknown> =>
  Promise.all(fleet.workers.map((_slot, index) => fleet.startWorker(index)));

const UNWATCHED = 10;

/** Asks, and leaves as soon as the prompt is taken. */
const askAndLeave = async ({ urls }: World, index: number): Promise<void> => {
  const client = await openRawClient(urls[index % urls.length] as string, { token: tokenFor('leaver') });
  const [session, generation] = [`unwatched-${index}`, 'g'];
  const params = { simulated: { tokens: 100, watermark: watermarkOf({ org: 'acme', session, generation }) } };
  const prompt = { session, generation, input: 'go', onAbandon: 'finish', params } as const;
  client.send({ type: 'prompt', id: 'p', ...prompt });
  const answer = await client.nextFrame((frame) => 're' in frame && frame.re === 'p');
  if (answer.type !== 'ok') throw new Error(`expected ok, got ${answer.type}`);
  client.close();
};

const isDone = async ({ bus }: World, index: number): Promise<boolean> => {
  const key = keyOf(`unwatched-${index}`, 'g');
  const item = (await bus.sessions.item(key, key.generation))?.item;
  return item?.kind === 'generation' && item.status === 'done';
};

type Cancelled = { readonly started: Started; readonly answeredAt: number };
const cancelled: Cancelled[] = [];

/** Cancels every second run that goes on now, each at a moment of its own around the fault. */
const cancelAround = async ({ load }: World, fault: () => Promise<unknown>): Promise<void> => {
  const cancels = load.running
    .filter((_run, index) => index % 2 === 0)
    .map(async (started, index, { length }) => {
      await seconds((index / length) * 1.5);
      await started.handles[0]?.cancel();
      cancelled.push({ started, answeredAt: Date.now() });
    });
  await Promise.all([seconds(0.5).then(fault), Promise.allSettled(cancels)]);
};

/** What was answered `ok` and yet went on to another end afterwards. */
const isLost = ({ started, answeredAt }: Cancelled, histories: readonly History[]): boolean => {
  const { room, id } = started;
  const isIts = (each: History): boolean =>
    each.org === room.org && each.session === room.session && each.generation === id;
  const { item, log = [] } = histories.find(isIts) ?? {};
  return item?.reason !== 'cancelled' && (log.at(-1)?.record.at ?? Infinity) > answeredAt;
};

playRows('a life goes on at its borders', [
  {
    id: 'F33',
    title: 'runs are handed over to nobody, and their logs expire: each begins again in an epoch of its own',
    target: 'joined 0',
    play: async (world) => {
      await untilFlowing(world);
      await stopWorkers(world, 'SIGTERM');
      await emptyStream(world.storage.url, 'TOKENS');
      await startWorkers(world);
      await untilFlowing(world);
    },
    holds: ({ histories }) =>
      expect(histories.filter(({ item }) => (item?.epoch ?? 0) > 0).length).toBeGreaterThanOrEqual(5),
  },
  {
    id: 'F36',
    title: 'cancels while workers drain and are killed: what is answered `ok` ends as cancelled',
    target: 'lost cancels 0',
    options: { workers: 3 },
    play: (world) =>
      repeat(8, async (index) => {
        await untilFlowing(world);
        const signal = index % 2 === 0 ? 'SIGTERM' : 'SIGKILL';
        await cancelAround(world, () => world.fleet.replaceWorker(index % 3, signal));
      }),
    holds: ({ histories }) => {
      process.stdout.write(`  cancels answered        ${cancelled.length}\n`);
      expect(cancelled.length).toBeGreaterThanOrEqual(20);
      const lost = cancelled.filter((each) => isLost(each, histories));
      expect(lost.map(({ started }) => `${started.room.org}.${started.room.session}.${started.id}`)).toEqual(
        [],
      );
    },
  },
  {
    id: 'F37',
    title: 'all workers are killed and all jobs lost: every generation ends, also where nobody watches',
    target: 'ended <= 30 s after the workers are back',
    play: async (world) => {
      await untilFlowing(world);
      await repeat(UNWATCHED, (index) => askAndLeave(world, index));
      await stopWorkers(world, 'SIGKILL');
      await emptyStream(world.storage.url, 'JOBS');
      await seconds(15);
      await startWorkers(world);
      const from = performance.now();
      await repeat(UNWATCHED, (index) =>
        waitFor(() => isDone(world, index), { what: `unwatched-${index} to end`, timeoutMs: 60_000 }),
      );
      return { 'unwatched ended after ms': Math.round(performance.now() - from) };
    },
    holds: ({ figures }) => expect(figures['unwatched ended after ms']).toBeLessThanOrEqual(30_000),
  },
]);
