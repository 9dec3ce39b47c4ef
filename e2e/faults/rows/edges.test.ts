import { expect } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import type { World } from '../nemesis.ts';
import type { RunReport } from '../report.ts';
import { killEdges } from './plays.ts';
import { longest, p95, playRows, repeat, seconds, untilFlowing } from './row.ts';

const CROWD = { sessions: 15, viewers: 2, tokens: 150 };

const expectQuickResumes = ({ timings }: RunReport): void => {
  expect(timings.resumes.length).toBeGreaterThan(0);
  expect(p95(timings.resumes)).toBeLessThanOrEqual(5_000);
  expect(longest(timings.resumes)).toBeLessThanOrEqual(20_000);
};

/** Ends an edge as an orchestrator does. @returns ms until it no longer called itself ready, and to its exit */
const drain = async ({ fleet, load }: World, index: number): Promise<{ unready: number; exit: number }> => {
  const admin = fleet.edges[index]?.admin;
  const from = performance.now();
  const unready = waitFor(
    async () => (await fetch(`${admin}/readyz`)).status === 503 && performance.now() - from,
    { what: 'the edge to say that it is not ready', timeoutMs: 5_000 },
  );
  const exit = await fleet.replaceEdge(index, 'SIGTERM');
  expect(exit.code).toBe(0);
  const told = load.rooms.flatMap(({ members }) => members.filter(({ edge }) => edge === index));
  for (const { sockets } of told)
    expect(sockets.some(({ received }) => received.some(({ frame }) => frame.type === 'goaway'))).toBe(true);
  return { unready: await unready, exit: exit.ms };
};

playRows('edges fail', [
  {
    id: 'F9',
    title: 'kill -9 of an edge: its clients go on at the other one',
    target: 'resume p95 <= 5 s, max <= 20 s',
    options: { tokensPerSecond: 30, load: CROWD },
    play: killEdges(4),
    holds: expectQuickResumes,
  },
  {
    id: 'F9',
    title: 'the same with three NATS',
    target: 'resume p95 <= 5 s, max <= 20 s',
    options: { on: 'R3', load: { ...CROWD, sessions: 5 } },
    play: killEdges(2),
    holds: expectQuickResumes,
  },
  {
    id: 'F11',
    title: 'every client is cut every two seconds: credit, order and text hold',
    target: 'lost and duplicate 0, nobody left behind',
    options: { tokensPerSecond: 30, load: CROWD },
    play: async ({ fleet }) => {
      await repeat(15, async () => {
        await seconds(2);
        for (const { proxy } of fleet.edges) proxy.cutAll({ rst: true });
      });
      // A cut socket is gone from its edge too, so that as many viewers are left as there are clients.
      const viewers = (): Promise<number> => fleet.edgeMetric('sluice_edge_viewers');
      const clients = 2 * CROWD.sessions * CROWD.viewers;
      const what = `${clients} viewers`;
      await waitFor(async () => (await viewers()) === clients, { what, timeoutMs: 10_000, pollMs: 100 });
      return { viewers: await viewers() };
    },
    holds: ({ timings }) => expect(timings.resumes.length).toBeGreaterThanOrEqual(60 * 10),
  },
  {
    id: 'F24',
    title: 'an edge told to stop is not ready any more, sends its clients away, and loses nothing',
    target: 'not ready <= 1 s, exit <= 30 s, resume p95 <= 5 s',
    options: { tokensPerSecond: 30, load: CROWD },
    play: async (world) => {
      await untilFlowing(world);
      const first = await drain(world, 0);
      await untilFlowing(world);
      const second = await drain(world, 1);
      const unready = Math.round(Math.max(first.unready, second.unready));
      return { 'not ready ms': unready, 'longest exit ms': Math.round(Math.max(first.exit, second.exit)) };
    },
    holds: (report) => {
      expect(report.figures['not ready ms']).toBeLessThanOrEqual(1_000);
      expect(report.figures['longest exit ms']).toBeLessThanOrEqual(30_000);
      expectQuickResumes(report);
    },
  },
  {
    id: 'F25',
    title: 'a rolling update of edges and workers refuses no prompt',
    target: 'refused 0',
    play: (world) =>
      repeat(4, async (index) => {
        await untilFlowing(world);
        await world.fleet.replaceWorker(index % 2, 'SIGTERM');
        await world.fleet.replaceEdge(index % 2, 'SIGTERM');
      }),
    holds: ({ figures }) => expect(figures['refused']).toBe(0),
  },
  {
    id: 'F28',
    title: 'an edge that stands still for 5 s loses nothing',
    target: 'lost 0',
    play: (world) =>
      repeat(2, async (index) => {
        await untilFlowing(world);
        const slot = world.fleet.edges[index];
        await slot?.child.pause();
        await seconds(5);
        slot?.child.resume();
      }),
    holds: ({ timings }) => expect(longest(timings.gaps)).toBeLessThanOrEqual(7_500),
  },
]);
