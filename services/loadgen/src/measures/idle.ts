import { namesOf, pause, startClient } from '../bench.ts';
import type { Bench, Measure, Row } from '../bench.ts';
import type { ClientApi } from '../clients/client-main.ts';
import { readMemory } from '../edge-memory.ts';
import type { EdgeMemory } from '../edge-memory.ts';
import { cpuDuring } from '../process-usage.ts';
import type { Remote } from '../remote.ts';
import type { EdgeProcess } from '../system.ts';

const CLIENT_PROCESSES = 2;
/** Opened before anything is counted: the code is compiled then, and the heap has its working size. */
const WARM_UP_SHARE = 0.2;
const SETTLE_MS = 2_500;
const KIB = 1024;
const MAX_CONNECTED_KIB = 8;
const MAX_SUBSCRIBED_KIB = 12;
/** Share of a core that an edge may use while nobody does anything, %. */
const MAX_IDLE_PERCENT = 1;
/** Windows of `windowMs` are too short for it: the system counts in 10 ms. */
const IDLE_WINDOWS = 5;

/** P5, P12: the cost of an idle connection, without a session and with one of its own. */
export const idle: Measure = {
  name: 'idle connections',
  ids: ['P5', 'P12'],
  run: async (bench) => {
    const { system, size, say } = bench;
    const edge = await system.addEdge();
    const warmers = [startClient()];
    const clients = Array.from({ length: CLIENT_PROCESSES }, startClient);
    try {
      say('P5 idle connections, warming up');
      await openAll(edge, warmers, namesOf('warm', Math.round(size.connections * WARM_UP_SHARE)));
      await Promise.all(warmers.map((client) => client.call('subscribe', null)));
      const before = await settled(edge);
      say(`P5 idle connections, opening ${size.connections}`);
      await openAll(edge, clients, namesOf('idle', size.connections));
      const connected = await settled(edge);
      say(`P5 idle connections, subscribing to ${size.connections} sessions`);
      await Promise.all(clients.map((client) => client.call('subscribe', null)));
      const subscribed = await settled(edge);
      say(`P12 idle edge, ${size.connections} sessions`);
      const idleMs = IDLE_WINDOWS * size.windowMs;
      const { cpuMs } = await cpuDuring([edge.pid], () => pause(idleMs));
      const verifications = await Promise.all(clients.map((client) => client.call('verify', '')));
      const memory = memoryRows(bench, [before, connected, subscribed]);
      return { rows: [...memory, idleRow(size.connections, (cpuMs[0] ?? 0) / idleMs)], verifications };
    } finally {
      await Promise.all([...warmers, ...clients].map((client) => client.close()));
      await edge.close();
    }
  },
};

const openAll = async (
  { target }: EdgeProcess,
  clients: readonly Remote<ClientApi>[],
  names: readonly string[],
): Promise<void> => {
  const share = Math.ceil(names.length / clients.length);
  await Promise.all(
    clients.map((client, index) =>
      client.call('open', { target, sessions: names.slice(index * share, (index + 1) * share) }),
    ),
  );
};

const settled = async (edge: EdgeProcess): Promise<EdgeMemory> => {
  await pause(SETTLE_MS);
  return readMemory(edge);
};

type Steps = readonly [before: EdgeMemory, connected: EdgeMemory, subscribed: EdgeMemory];

const idleRow = (sessions: number, share: number): Row => ({
  id: 'P12',
  what: `idle edge with ${sessions} sessions: share of a core`,
  target: `<= ${MAX_IDLE_PERCENT} %`,
  value: `${(share * 100).toFixed(1)} %`,
  ok: share * 100 <= MAX_IDLE_PERCENT,
  figures: { percent: share * 100 },
});

const memoryRows = ({ size }: Bench, [before, connected, subscribed]: Steps): readonly Row[] => {
  const rowOf = (what: string, after: EdgeMemory, maxKib: number): Row => {
    const each = (field: keyof EdgeMemory): number => (after[field] - before[field]) / size.connections / KIB;
    const kib = each('rssBytes');
    return {
      id: 'P5',
      what: `edge memory (RSS) per ${what}, of ${size.connections}`,
      target: `<= ${maxKib} KiB`,
      value: `${kib.toFixed(1)} KiB`,
      ok: kib <= maxKib,
      figures: {
        rssKib: kib,
        heapUsedKib: each('heapUsedBytes'),
        externalKib: each('externalBytes'),
        totalRssMib: after.rssBytes / KIB / KIB,
      },
    };
  };
  return [
    rowOf('authenticated connection', connected, MAX_CONNECTED_KIB),
    rowOf('connection with a subscribed session', subscribed, MAX_SUBSCRIBED_KIB),
  ];
};
