import { expect } from '@jest/globals';
import { openRawClient, waitFor } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { tokenFor } from '../../support/clients.ts';
import { Leadership } from '../leadership.ts';
import type { World } from '../nemesis.ts';
import type { RunReport } from '../report.ts';
import { gapsOf, silencesAfter } from '../timings.ts';
import { killLeader, killNats, TOKENS } from './plays.ts';
import { clusterOf, crashesIn, longest, p95, playRows, repeat, seconds, untilFlowing } from './row.ts';

/** One worker had everything from its first token to its last: no outage is a reason to hand over. */
const expectNoHandOver = ({ timings }: RunReport): void => expect(timings.handovers).toEqual([]);

/** How soon everything that runs moves again. */
const flowsAgain = async (world: World, since: number): Promise<number> => {
  await untilFlowing(world);
  return Math.round(longest(silencesAfter(world.load, since)));
};

/** Stops a server for 20 s. @returns ms until the parts that were connected to it had gone to another one */
const hang = async ({ storage: { wires } }: World, server: NatsServer, parts: string[]): Promise<number> => {
  const from = performance.now();
  await server.pause();
  const hasMoved = (part: string): boolean => wires.serversOf(part).some((each) => each !== server);
  const what = `${parts.join(', ')} to leave a server that hangs`;
  await waitFor(() => parts.every(hasMoved), { what, timeoutMs: 20_000 });
  const ms = performance.now() - from;
  await seconds(20 - ms / 1_000);
  server.resume();
  return Math.round(ms);
};

/** Has the server that leads the token stream lead all else too. */
const gatherLeadership = async (natsUrl: string): Promise<void> => {
  const leadership = await Leadership.open(natsUrl);
  try {
    await leadership.gather(TOKENS);
  } finally {
    await leadership.close();
  }
};

/** A prompt that nobody could store. */
const promptNow = async ({ urls }: World): Promise<string> => {
  const client = await openRawClient(urls[0] as string, { token: tokenFor('hasty') });
  client.send({ type: 'prompt', id: 'p', session: 'hasty', generation: 'g', input: 'now' });
  const answer = await client.nextFrame((frame) => 're' in frame && frame.re === 'p', 20_000);
  client.close();
  return answer.type === 'error' ? answer.code : answer.type;
};

playRows('NATS fails', [
  {
    id: 'F1',
    title: 'kill -9 of the only NATS, back after 3 s: nothing acked is lost, no run is handed over',
    target: 'gap <= 3 s + 5 s',
    play: killNats(2),
    holds: (report) => {
      expect(longest(report.timings.gaps)).toBeLessThanOrEqual(8_000);
      expectNoHandOver(report);
    },
  },
  {
    id: 'F2',
    title: 'kill -9 of the leader of three NATS, four times in the life of every run: none is handed over',
    target: 'gap <= 12 s',
    options: { on: 'R3', load: { sessions: 5, viewers: 2, tokens: 2_000 } },
    play: killLeader(4),
    holds: (report) => {
      expect(longest(report.timings.gaps)).toBeLessThanOrEqual(12_000);
      expectNoHandOver(report);
    },
  },
  {
    id: 'F3',
    title: 'a rolling restart of three NATS, by lame duck and by SIGTERM: leadership moves first',
    target: 'gap <= 1.5 s',
    options: { on: 'R3' },
    play: async (world) => {
      const { servers, healthy } = clusterOf(world);
      const signals = ['SIGUSR2', 'SIGTERM', 'SIGUSR2'] as const;
      for (const [index, server] of servers.entries()) {
        await untilFlowing(world);
        await server.kill(signals[index], 30_000);
        await server.restart();
        await healthy();
      }
    },
    holds: ({ timings }) => expect(longest(timings.gaps)).toBeLessThanOrEqual(1_500),
  },
  {
    id: 'F4',
    title: 'the leader hangs for 20 s, then the server that an edge and a worker are connected to',
    target: 'gap <= 12 s, noticed <= 5 s',
    options: { on: 'R3', isWired: true },
    play: async (world) => {
      const { wires } = world.storage;
      const parts = ['edge 0', 'worker 0'];
      const noticed: number[] = [];
      for (const isLeader of [true, false]) {
        const leader = await clusterOf(world).streamLeader(TOKENS);
        const server = world.storage.servers.find((each) => (each === leader) === isLeader) as NatsServer;
        await Promise.all(parts.map((part) => wires.send(part, server)));
        await untilFlowing(world);
        noticed.push(await hang(world, server, parts));
        await clusterOf(world).healthy();
      }
      return { 'noticed ms': noticed.join(' / '), noticed: Math.max(...noticed) };
    },
    holds: ({ timings, figures }) => {
      expect(longest(timings.gaps)).toBeLessThanOrEqual(12_000);
      expect(figures['noticed']).toBeLessThanOrEqual(5_000);
    },
  },
  {
    id: 'F5',
    title: 'partitions: the leader alone, a follower that hears nobody, an edge and a worker without NATS',
    target: 'gap of the majority <= 12 s, phantom 0',
    options: { on: 'R3', isWired: true, workers: 3 },
    play: async (world) => {
      const { wires, servers } = world.storage;
      const cluster = clusterOf(world);
      const parted = async (cut: () => void, heal: () => void): Promise<number> => {
        await untilFlowing(world);
        const from = performance.now();
        cut();
        await seconds(15);
        const gap = longest(gapsOf(world.load, { edge: 1, from, to: performance.now() }));
        heal();
        await untilFlowing(world);
        return Math.round(gap);
      };
      const leader = await cluster.streamLeader(TOKENS);
      const others = servers.filter((server) => server !== leader);
      await Promise.all(['edge 0', 'worker 0'].map((part) => wires.send(part, leader)));
      const majority = ['edge 1', 'worker 1', 'worker 2'];
      await Promise.all(majority.map((part, index) => wires.send(part, others[index % 2] as NatsServer)));
      const heal = (): void => cluster.network.heal();
      const alone = await parted(() => cluster.network.isolate(servers.indexOf(leader)), heal);
      await cluster.healthy();
      const next = await cluster.streamLeader(TOKENS);
      const follower = servers.findIndex((server) => server !== next);
      const deaf = await parted(() => cluster.network.isolate(follower, 'in'), heal);
      await cluster.healthy();
      const parts = ['edge 0', 'worker 0'];
      const cutOff = await parted(
        () => parts.forEach((part) => wires.cut(part)),
        () => parts.forEach((part) => wires.heal(part)),
      );
      const gaps = [alone, deaf, cutOff];
      return { 'majority gaps ms': gaps.join(' / '), majority: Math.max(...gaps) };
    },
    holds: ({ figures }) => expect(figures['majority']).toBeLessThanOrEqual(12_000),
  },
  {
    id: 'F6',
    title: 'two of three NATS are down for 20 s: runs wait, prompts are refused, everything goes on',
    target: 'resumed <= 12 s after the quorum',
    options: { on: 'R3' },
    play: async (world) => {
      await untilFlowing(world);
      const down = world.storage.servers.slice(1);
      await Promise.all(down.map((server) => server.kill()));
      const [refused] = await Promise.all([promptNow(world), seconds(20)]);
      await Promise.all(down.map((server) => server.restart()));
      return { refused_with: refused, 'resumed ms': await flowsAgain(world, performance.now()) };
    },
    holds: ({ figures }) => {
      expect(figures['refused_with']).toBe('unavailable');
      expect(figures['resumed ms']).toBeLessThanOrEqual(12_000);
    },
  },
  {
    id: 'F16',
    title: 'viewers that come while a replica hangs, and when it is behind, are shown all there is',
    target: 'short replays 0, caught up <= 5 s',
    options: { on: 'R3', isWired: true },
    play: async (world) => {
      const { wires, url } = world.storage;
      const parts = ['edge 0', 'edge 1', 'worker 0', 'worker 1'];
      const caughtUp: number[] = [];
      const visitEverybody = (): Promise<void[]> =>
        Promise.all(
          world.load.running.map(async (started, index) => {
            const head = started.handles[0]?.position.seq ?? 0;
            const from = performance.now();
            const late = world.load.visit(started, index);
            const what = `a late viewer to reach ${head}`;
            await waitFor(() => late.position.seq >= head, { what, timeoutMs: 20_000 });
            caughtUp.push(performance.now() - from);
          }),
        );
      await repeat(3, async () => {
        const leader = await clusterOf(world).streamLeader(TOKENS);
        const follower = world.storage.servers.find((server) => server !== leader) as NatsServer;
        // A replica and no more: that of a server which leads something, or serves somebody, is F2's and F4's fault.
        await Promise.all(parts.map((part) => wires.send(part, leader)));
        await gatherLeadership(url);
        await untilFlowing(world);
        await follower.pause();
        await seconds(1);
        await visitEverybody();
        follower.resume();
        await visitEverybody();
        await clusterOf(world).healthy();
      });
      const figures = [p95(caughtUp), longest(caughtUp)].map(Math.round);
      return { visits: caughtUp.length, 'caught up p95/max ms': figures.join(' / '), late: figures[1] ?? 0 };
    },
    holds: ({ figures }) => expect(figures['late']).toBeLessThanOrEqual(5_000),
  },
  {
    id: 'F44',
    title: 'the only NATS is away for 8, 25 and 45 s: no run is handed over, and nobody is taken for dead',
    target: 'crashes 0, hand-overs 0, resumed <= 8 s',
    // In a shared queue a job that comes again comes to anybody.
    options: { placement: false, load: { sessions: 5, viewers: 2, tokens: 1_000 } },
    play: async (world) => {
      const [nats] = world.storage.servers;
      const resumed: number[] = [];
      for (const awayS of [8, 25, 45]) {
        await untilFlowing(world);
        await nats?.kill();
        await seconds(awayS);
        const from = performance.now();
        await nats?.restart();
        await untilFlowing(world);
        resumed.push(Math.round(longest(silencesAfter(world.load, from))));
      }
      return { 'resumed ms': resumed.join(' / '), resumed: longest(resumed) };
    },
    holds: (report) => {
      expect(crashesIn(report)).toBe(0);
      expectNoHandOver(report);
      expect(report.figures['resumed']).toBeLessThanOrEqual(8_000);
    },
  },
]);
