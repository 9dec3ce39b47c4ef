import { isDeepStrictEqual } from 'node:util';
import { createNatsBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import type { StoredRecord } from '@sluice/protocol';
import { SeededRandom, waitFor, withTimeout } from '@sluice/testkit';
import { keyOf } from '../support/clients.ts';
import { Fleet } from './fleet.ts';
import type { History } from './history.ts';
import { keepEvidence } from './evidence.ts';
import { ackedOf, Load, transcriptOf } from './load.ts';
import type { LoadOptions, Started } from './load.ts';
import { Nemesis, planOf } from './nemesis.ts';
import type { PlanOptions, World } from './nemesis.ts';
import { reportOf } from './report.ts';
import type { Figures, RunReport } from './report.ts';
import { openShimmedEdges } from './shimmed-edges.ts';
import type { Shim } from './shimmed-edges.ts';
import { openStorage } from './storage.ts';
import type { Storage, StorageKind } from './storage.ts';
import { SeenLog } from './seen-log.ts';
import { readEveryCopy, readStoredLog } from './stored-log.ts';
import { gapsOf, resumesOf } from './timings.ts';

export type RunOptions = {
  readonly name: string;
  readonly seed: number;
  /** default R1 */
  readonly on?: StorageKind;
  readonly edges: number;
  /** every service reaches NATS over wires of its own, which can be cut */
  readonly isWired?: boolean;
  /** edges in this process in place of those, each on a bus that this makes worse */
  readonly shim?: Shim;
  readonly workers: number;
  readonly tokensPerSecond: number;
  /** default true; false: all jobs are in the queues that workers share */
  readonly placement?: boolean;
  /** of each worker */
  readonly slots?: number;
  readonly load: Omit<LoadOptions, 'urls'>;
  /** how long everything that runs may take to end after the faults, ms */
  readonly drainMs: number;
};

/** What goes wrong in a run: drawn from its seed, or played. A play may return figures of its own. */
export type Script = PlanOptions | ((world: World) => Promise<Figures | void>);

/** A load on a fleet under faults, then healed, drained and judged; on R3 from every copy of the stream. */
export const faultRun = async (options: RunOptions, script: Script): Promise<RunReport> => {
  const storage = await openStorage(options.on ?? 'R1');
  const closers: (() => Promise<unknown>)[] = [() => storage.stop()];
  try {
    return await runOn(storage, options, script, closers);
  } finally {
    // Whatever one of them says, the next ones are ended too.
    for (const close of closers.toReversed()) await close().catch((error: unknown) => console.error(error));
  }
};

const runOn = async (
  storage: Storage,
  options: RunOptions,
  script: Script,
  closers: (() => Promise<unknown>)[],
): Promise<RunReport> => {
  const { replicas, url: natsUrl, wires } = storage;
  const {
    name,
    seed,
    edges,
    workers,
    tokensPerSecond,
    shim,
    isWired = false,
    placement = true,
    slots,
  } = options;
  const random = new SeededRandom(seed);
  const fleet = new Fleet({
    ...{ replicas, workers, tokensPerSecond, placement, random: () => random.next() },
    ...(slots === undefined ? {} : { slots }),
    edges: shim === undefined ? edges : 0,
    natsUrlOf: (part) => (isWired ? wires.urlOf(part) : Promise.resolve(natsUrl)),
  });
  closers.push(() => fleet.stop());
  await fleet.start();
  const bus = await createNatsBus({ url: natsUrl, name: 'oracle', replicas });
  closers.push(() => bus.close());
  const seen = await SeenLog.open(natsUrl);
  closers.push(() => seen.close());
  const shimmed = shim && (await openShimmedEdges({ natsUrl, replicas, edges, shim, random }));
  if (shimmed !== undefined) closers.push(() => shimmed.close());
  const urls = shimmed?.urls ?? fleet.edges.map(({ proxy }) => `${proxy.url('ws')}/v1/ws`);
  const load = new Load({ ...options.load, urls });
  closers.push(() => load.close());
  const sampling = setInterval(() => void fleet.sampleMade(), 250);
  closers.push(async () => clearInterval(sampling));

  const world: World = { storage, bus, fleet, load, urls };
  const nemesis = new Nemesis(world);
  load.begin();
  const own = await (typeof script === 'function' ? script(world) : nemesis.run(planOf(random, script)));
  // A generation that does not come to its end is the oracle's to judge, not a reason to see nothing.
  await withTimeout(load.finish(), options.drainMs, 'all generations to end').catch(() => undefined);
  // A log may have its end before its item: a worker killed in between leaves that to another one.
  const settledMs = await settled(bus, load.started);
  const made = await fleet.sampleMade();
  const log = await readStoredLog(natsUrl);
  const copies = replicas > 1 ? await readEveryCopy(natsUrl) : [log];
  const differing = copies.filter((copy) => !isDeepStrictEqual(copy, log)).length;
  const recordsOf = (path: string): StoredRecord[] => seen.with(path, log.get(path) ?? []);
  const histories = await Promise.all(load.started.map((started) => historyOf(bus, recordsOf, started)));
  const report = reportOf({
    ...{ name, seed, histories, made, happened: nemesis.happened },
    refused: load.started.filter(({ isRefused }) => isRefused).length,
    ...{ gaps: gapsOf(load), resumes: resumesOf(load) },
    own: {
      'settled after ms': settledMs,
      'copies / differing': `${copies.length} / ${differing}`,
      'records seen': seen.size,
      ...own,
    },
  });
  await keepEvidence(report, fleet.logs);
  return report;
};

/** Every generation ends within this time after the last fault is healed (I11). */
const SETTLED_MS = 30_000;

/** @returns how long it took until the item of every accepted prompt was done, ms; what is not is the oracle's to judge */
const settled = async (bus: Bus, started: readonly Started[]): Promise<number> => {
  const from = performance.now();
  for (const { room, id, isAccepted } of started) {
    const key = keyOf(room.session, id, room.org);
    const isDone = async (): Promise<boolean> => {
      const item = (await bus.sessions.item(key, key.generation))?.item;
      return item?.kind === 'generation' && item.status === 'done';
    };
    const timeoutMs = Math.max(1, SETTLED_MS - (performance.now() - from));
    if (isAccepted) await waitFor(isDone, { what: `${id} to be done`, timeoutMs }).catch(() => undefined);
  }
  return Math.round(performance.now() - from);
};

/** Reads what is stored, past all services, and puts it beside what was seen. */
const historyOf = async (
  bus: Bus,
  recordsOf: (path: string) => readonly StoredRecord[],
  started: Started,
): Promise<History> => {
  const { room, id } = started;
  const { org, session, members } = room;
  const key = keyOf(session, id, org);
  const item = (await bus.sessions.item(key, key.generation))?.item;
  return {
    ...{ org, session, generation: id },
    accepted: started.isAccepted,
    log: recordsOf(`${org}.${session}.${id}`),
    item: item?.kind === 'generation' ? item : undefined,
    acked: members.flatMap((member) => ackedOf(started, member)),
    viewers: members.map((member) => transcriptOf(started, member)),
  };
};
