import { expect } from '@jest/globals';
import { openRawClient, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { keyOf, tokenFor } from '../../support/clients.ts';
import { watermarkOf } from '../history.ts';
import type { World } from '../nemesis.ts';
import { nth, spread } from '../report.ts';
import { pacesOf } from '../timings.ts';
import { clusterOf, longest, playRows, repeat, seconds, untilFlowing } from './row.ts';

/** Tokens a strict run may make beyond the newest ack, and one publish more. */
const STRICT_LEAD = 16 + 1;
const STALLED = 8;

/** Asks for a long answer and never acks; every second one does not even read its socket. */
const stall = async ({ urls }: World, index: number): Promise<RawClient> => {
  const client = await openRawClient(urls[index % urls.length] as string, { token: tokenFor('staller') });
  const [session, generation] = [`stalled-${index}`, 'g'];
  const watermark = watermarkOf({ org: 'acme', session, generation });
  const params = { simulated: { tokens: 200, watermark } };
  client.send({ type: 'prompt', id: 'p', session, generation, input: 'go', lead: 'strict', params });
  await client.nextFrame((frame) => 're' in frame && frame.re === 'p');
  if (index % 2 === 1) client.pause();
  return client;
};

/** What the store says of a run that nobody acks, once it is parked. */
const parked = async ({ bus }: World, index: number): Promise<{ made: number; afterMs: number }> => {
  const key = keyOf(`stalled-${index}`, 'g');
  const item = await waitFor(
    async () => {
      const stored = (await bus.sessions.item(key, key.generation))?.item;
      return stored?.kind === 'generation' && stored.status === 'parked' && stored;
    },
    { what: `${key.session} to be parked`, timeoutMs: 20_000, pollMs: 50 },
  );
  const lastToken = (await bus.tokens.head(key))?.record.at ?? 0;
  return { made: item.seq, afterMs: (item.parkedAt ?? 0) - lastToken };
};

/** A storm: cancels everything that runs, from two devices, each twice, some at once and some after the end. */
const cancelAll = async ({ load }: World, cancels: number, answers: number[]): Promise<number> => {
  let sent = 0;
  const cancelled = new Set<unknown>();
  const cancel = async (run: (typeof load.started)[number]): Promise<void> => {
    cancelled.add(run);
    const from = performance.now();
    const again = [...run.handles, ...run.handles].map((handle) => handle.cancel());
    sent += again.length;
    await Promise.allSettled(again);
    await run.handles[0]?.end.catch(() => undefined);
    if (!run.isRefused) answers.push(performance.now() - from);
    sent += 1;
    await run.handles[1]?.cancel().catch(() => undefined);
  };
  const storm: Promise<void>[] = [];
  while (sent < cancels) {
    for (const run of load.running) if (!cancelled.has(run)) storm.push(cancel(run));
    await seconds(0.02);
  }
  await Promise.all(storm);
  return sent;
};

const STORM = { sessions: 5, viewers: 2, tokens: 300 };

playRows('viewers misbehave', [
  {
    id: 'F12',
    title: 'viewers that do not ack, or do not read: their runs stop, and go on when they are back',
    target: `made - acked <= ${STRICT_LEAD}, parked after 2 s +- 2 s, p99 of others <= 1.2 x + 50 ms`,
    options: { workers: 1 },
    play: async (world) => {
      await untilFlowing(world);
      const from = performance.now();
      await seconds(3);
      const begun = performance.now();
      const clients = await Promise.all(Array.from({ length: STALLED }, (_, index) => stall(world, index)));
      const runs = await Promise.all(clients.map((_client, index) => parked(world, index)));
      await seconds(1);
      const p99 = (since: number, to: number): number => nth(pacesOf(world.load, { from: since, to }), 0.99);
      const [before, during] = [p99(from, begun), p99(begun, performance.now())];
      for (const [index, client] of clients.entries()) {
        client.terminate();
        world.load.join('acme', `stalled-${index}`, 'g');
      }
      return {
        'made - acked': Math.max(...runs.map(({ made }) => made)),
        'parked after p50/p95/max ms': spread(runs.map(({ afterMs }) => afterMs)),
        'longest to park': longest(runs.map(({ afterMs }) => afterMs)),
        'p99 of others before, during ms': `${before.toFixed(0)}, ${during.toFixed(0)}`,
        'p99 over': during - 1.2 * before,
      };
    },
    holds: ({ figures, histories }) => {
      expect(figures['made - acked']).toBeLessThanOrEqual(STRICT_LEAD);
      expect(figures['longest to park']).toBeLessThanOrEqual(4_000);
      expect(figures['p99 over']).toBeLessThanOrEqual(50);
      const back = histories.filter(({ session }) => session.startsWith('stalled'));
      expect(back.map(({ item }) => item?.seq)).toEqual(Array.from({ length: STALLED }, () => 200));
    },
  },
  {
    id: 'F20',
    title: 'a storm of 1,000 cancels, most of them repeats, from two devices: one end each, at once',
    target: 'slot freed p99 <= 200 ms, max <= 1 s',
    options: { load: STORM },
    play: async (world) => {
      const answers: number[] = [];
      const sent = await cancelAll(world, 1_000, answers);
      return {
        cancels: sent,
        'cancelled p99': nth(answers, 0.99),
        'cancelled p50/p95/max ms': spread(answers),
      };
    },
    holds: ({ histories }) => {
      const cancelled = histories.filter(({ item }) => item?.reason === 'cancelled');
      expect(cancelled.length).toBeGreaterThanOrEqual(100);
      const freed = cancelled.flatMap(({ item }) => item?.receipt?.msToAbort ?? []);
      expect(nth(freed, 0.99)).toBeLessThanOrEqual(200);
      expect(longest(freed)).toBeLessThanOrEqual(1_000);
    },
  },
  {
    id: 'F20',
    title: 'the same while the leader of three NATS is killed',
    target: 'cancelled <= 12 s + 1 s',
    options: { on: 'R3', load: STORM },
    play: async (world) => {
      const answers: number[] = [];
      await untilFlowing(world);
      const killing = clusterOf(world)
        .streamLeader('TOKENS')
        .then(async (leader) => {
          await leader.kill();
          await seconds(6);
          await leader.restart();
        });
      await repeat(1, () => Promise.all([cancelAll(world, 300, answers), killing]));
      return { 'cancelled p50/p95/max ms': spread(answers), slowest: longest(answers) };
    },
    holds: ({ figures }) => expect(figures['slowest']).toBeLessThanOrEqual(13_000),
  },
]);
