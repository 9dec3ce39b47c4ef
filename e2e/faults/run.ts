import { isDeepStrictEqual } from 'node:util';
import { createNatsBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { startNatsCluster, startNatsServer, withTimeout } from '@sluice/testkit';
import type { NatsCluster, NatsServer } from '@sluice/testkit';
import { keyOf } from '../support/clients.ts';
import type { RecordedSocket } from '../support/recording.ts';
import { Fleet } from './fleet.ts';
import type { History } from './history.ts';
import { ackedOf, Load, transcriptOf } from './load.ts';
import type { LoadOptions, Started } from './load.ts';
import { Nemesis, planOf } from './nemesis.ts';
import type { PlanOptions, World } from './nemesis.ts';
import { reportOf } from './report.ts';
import type { RunReport } from './report.ts';
import { seededRandom } from './seeded-random.ts';
import { readEveryCopy, readStoredLog } from './stored-log.ts';
import type { StoredLog } from './stored-log.ts';

export type RunOptions = {
  readonly name: string;
  readonly seed: number;
  readonly edges: number;
  readonly workers: number;
  readonly tokensPerSecond: number;
  readonly load: Omit<LoadOptions, 'urls'>;
  /** how long everything that runs may take to end after the faults, ms */
  readonly drainMs: number;
};

/** Faults of a run: drawn from its seed, or a script that says what to do when. */
export type Script = PlanOptions | ((world: World) => Promise<void>);

/** A load on a fleet under faults, then healed, drained and judged. */
export const faultRun = async (options: RunOptions, script: Script): Promise<RunReport> => {
  const nats = await startNatsServer({ syncInterval: 'always' });
  try {
    return await runOn({ nats, natsUrl: nats.url, replicas: 1 }, options, script);
  } finally {
    await nats.stop();
  }
};

/** The same on three NATS servers; the stream is then read from each of them as its leader. */
export const clusterRun = async (
  options: RunOptions,
  script: (world: World, cluster: NatsCluster) => Promise<void>,
): Promise<RunReport> => {
  const cluster = await startNatsCluster(3);
  try {
    const [nats] = cluster.servers;
    if (nats === undefined) throw new Error('expected a server in the cluster');
    const storage = { nats, natsUrl: cluster.urls.join(','), replicas: 3 };
    return await runOn(storage, options, (world) => script(world, cluster));
  } finally {
    await cluster.stop();
  }
};

type Storage = { readonly nats: NatsServer; readonly natsUrl: string; readonly replicas: number };

const runOn = async (storage: Storage, options: RunOptions, script: Script): Promise<RunReport> => {
  const { nats, natsUrl, replicas } = storage;
  const { name, seed, edges, workers, tokensPerSecond } = options;
  const random = seededRandom(seed);
  const fleet = new Fleet({ natsUrl, replicas, edges, workers, tokensPerSecond, random: random.next });
  await fleet.start();
  const urls = fleet.edges.map(({ proxy }) => `${proxy.url('ws')}/v1/ws`);
  const load = new Load({ ...options.load, urls });
  const sampling = setInterval(() => void fleet.sampleMade(), 250);
  const world = { nats, fleet, load };
  const nemesis = new Nemesis(world);
  try {
    load.begin();
    await (typeof script === 'function' ? script(world) : nemesis.run(planOf(random, script)));
    // A generation that does not come to its end is the oracle's to judge, not a reason to see nothing.
    await withTimeout(load.finish(), options.drainMs, 'all generations to end').catch(() => undefined);
    const made = await fleet.sampleMade();
    const log = await readStoredLog(natsUrl);
    const copies = replicas > 1 ? await readEveryCopy(natsUrl) : [log];
    const histories = await historiesOf({ natsUrl, replicas }, load, log);
    const refused = load.started.filter(({ isRefused }) => isRefused).length;
    const seen = { gaps: gapsOf(load), resumes: resumesOf(load) };
    const { happened } = nemesis;
    const report = reportOf({ name, seed, histories, happened, made, refused, ...seen });
    const differing = copies.filter((copy) => !isDeepStrictEqual(copy, log)).length;
    return {
      ...report,
      figures: { ...report.figures, 'copies / differing': `${copies.length} / ${differing}` },
    };
  } finally {
    clearInterval(sampling);
    await load.close();
    await fleet.stop();
  }
};

/** Reads what is stored, past all services, and puts it beside what was seen. */
const historiesOf = async (
  { natsUrl, replicas }: Pick<Storage, 'natsUrl' | 'replicas'>,
  load: Load,
  log: StoredLog,
): Promise<History[]> => {
  const bus = await createNatsBus({ url: natsUrl, name: 'oracle', replicas });
  try {
    return await Promise.all(load.started.map((started) => historyOf(bus, log, started)));
  } finally {
    await bus.close();
  }
};

const historyOf = async (bus: Bus, log: StoredLog, started: Started): Promise<History> => {
  const { room, id } = started;
  const { org, session, members } = room;
  const key = keyOf(session, id, org);
  const item = (await bus.sessions.item(key, key.generation))?.item;
  return {
    ...{ org, session, generation: id },
    accepted: started.isAccepted,
    log: log.get(`${org}.${session}.${id}`) ?? [],
    item: item?.kind === 'generation' ? item : undefined,
    acked: members.flatMap((member) => ackedOf(started, member)),
    viewers: members.map((member) => transcriptOf(started, member)),
  };
};

/** Longest silence between two deltas of each viewer and generation. */
export const gapsOf = (load: Load): number[] =>
  load.started.flatMap(({ room, id }) =>
    room.members.map(({ sockets }) => {
      const times = sockets.flatMap(({ received }) =>
        received.flatMap(({ frame, at }) => (frame.type === 'delta' && frame.generation === id ? [at] : [])),
      );
      return Math.max(0, ...times.slice(1).map((at, index) => at - (times[index] ?? at)));
    }),
  );

/** From the last frame of a connection to the first of its session on the next one, idle times included. */
export const resumesOf = (load: Load): number[] =>
  load.rooms.flatMap(({ members }) =>
    members.flatMap(({ sockets }) => {
      const spans = sockets.map(spanOf).filter((span) => span !== undefined);
      return spans.slice(1).map(({ first }, index) => first - (spans[index]?.last ?? first));
    }),
  );

const spanOf = ({ received }: RecordedSocket): { first: number; last: number } | undefined => {
  const first = received.find(({ frame }) => frame.type === 'subscribed')?.at;
  const last = received.at(-1)?.at;
  return first === undefined || last === undefined ? undefined : { first, last };
};
