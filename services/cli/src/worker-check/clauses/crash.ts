import type { WorkerInfo } from '@sluice/bus';
import { demand, NotChecked } from '../clause-failure.ts';
import type { Clause } from '../clause.ts';
import { firstBreak } from '../record-rules.ts';
import type { Stage } from '../stage.ts';
import type { StagedGeneration } from '../staged-generation.ts';

const BEAT_MS = 1_000;
const BEATS = 3;
/** Five beats and a word; generous, for a busy machine, ms. */
const TAKEN_MS = 12_000;
const EARLIER = ['This ', 'was ', 'written ', 'by ', 'a ', 'worker ', 'that ', 'died.'];
/** Generations that run when a worker is killed, if slots allow: enough that each of two workers has some. */
const MOST_RUNS = 12;

const checkTakeover = async (stage: Stage): Promise<string> => {
  const { workers } = stage.target.bus;
  const worker = `check-ghost-${process.pid}`;
  const running = { status: 'running', attempt: 1, worker } as const;
  const generation = await stage.prepare({ maxTokens: EARLIER.length + 16, item: running });
  await generation.append(1, EARLIER);
  const { rev } = generation.newest;
  let lastBeat = 0;
  for (let count = 0; count < BEATS; count += 1) {
    workers.beat({ worker, running: [{ ...generation.key, attempt: 1 }] });
    lastBeat = performance.now();
    await generation.until(() => generation.newest.rev !== rev, BEAT_MS);
    demand(generation.newest.rev === rev, 'a run left alone while its worker beats', generation.describe());
  }
  generation.follow();
  await generation.expect('another attempt', () => generation.item.attempt > 1, TAKEN_MS);
  const tookMs = performance.now() - lastBeat;
  const done = await generation.expectDone();
  demand(done.crashes === 1, 'crashes 1', `crashes ${done.crashes ?? 'not counted'}`);
  demand(firstBreak(generation.records) === undefined, 'one log', firstBreak(generation.records) ?? '');
  return `claimed ${(tookMs / 1000).toFixed(1)} s after the last beat`;
};

/** Two workers died of it at its first token, as it seems; the third had got on when it died. */
const expectCountedAnew = async (stage: Stage): Promise<void> => {
  const running = { status: 'running', attempt: 3, worker: `check-gone-${process.pid}` } as const;
  const item = { ...running, crashes: 2, crashSeq: 0, allCrashes: 2 };
  const generation = await stage.prepare({ maxTokens: EARLIER.length + 16, item });
  await generation.append(3, EARLIER);
  generation.follow();
  const { bus, model } = stage.target;
  await bus.jobs.publish({ ...generation.key, model, attempt: 3, isOrphan: true });
  const { reason, crashes, crashSeq, allCrashes } = await generation.expectDone();
  const { length } = EARLIER;
  demand(
    reason !== 'error' && crashes === 1 && crashSeq === length && allCrashes === 3,
    `a run that got ${length} tokens further continued, with crashes 1, crashSeq ${length}, allCrashes 3`,
    `${reason}, with crashes ${crashes}, crashSeq ${crashSeq}, allCrashes ${allCrashes}`,
  );
};

const checkBudget = async (stage: Stage): Promise<string> => {
  const generation = await stage.prepare({ item: { attempt: 3, crashes: 3 } });
  generation.follow();
  await generation.enqueue();
  const { reason, error, seq } = await generation.expectDone();
  demand(
    reason === 'error' && error?.code === 'worker_crashed' && seq === 0,
    'the item done with error worker_crashed and no token',
    `${reason} ${error?.code ?? ''}, ${seq} tokens`,
  );
  await expectCountedAnew(stage);
  return 'ended with worker_crashed, the engine left alone; what got further went on';
};

/** Waits for a worker whose beats have stopped. */
const silentOne = async (stage: Stage, names: readonly string[], since: number): Promise<string> => {
  const { beats } = stage.target;
  const isSilent = (name: string): boolean =>
    (beats.of(name, since).at(-1)?.at ?? since) < performance.now() - 2.5 * BEAT_MS;
  const silent = await beats.until(() => names.find(isSilent), TAKEN_MS);
  if (silent === undefined) throw new NotChecked('all workers still beat after the kill');
  return silent;
};

/** Who is in the directory and beats: an entry outlives its worker by some seconds. */
const alive = async (stage: Stage): Promise<readonly WorkerInfo[]> => {
  const workers = await stage.workers();
  const since = performance.now();
  const isHeard = ({ worker }: WorkerInfo): boolean => stage.target.beats.of(worker, since).length > 0;
  await stage.target.beats.until(() => workers.every(isHeard), 2.5 * BEAT_MS);
  return workers.filter(isHeard);
};

/** A worker that is gone, and the generations that it ran then. */
type Departure = { readonly worker: string; readonly orphans: readonly StagedGeneration[] };

/** Lets one of several busy workers go. @throws NotChecked when none went, or one that ran nothing */
const depart = async (stage: Stage, letGo: () => Promise<void>): Promise<Departure> => {
  const { model, beats } = stage.target;
  const workers = await alive(stage);
  const names = workers.map(({ worker }) => worker);
  if (names.length < 2) throw new NotChecked(`two workers have to offer ${model}, there are ${names.length}`);
  const length = Math.min(MOST_RUNS, ...workers.map(({ slots }) => slots));
  const runs = await Promise.all(Array.from({ length }, () => stage.start()));
  for (const run of runs) run.follow();
  await Promise.all(runs.map((run) => run.expectTokens(4)));
  const owners = runs.map(({ item }) => item.worker ?? '');
  // A run that no beat has named yet is found by its job's redelivery, half a minute later.
  const isListed = (run: StagedGeneration, at: number): boolean =>
    beats.attemptIn(owners[at] ?? '', run.key, 0) !== undefined;
  await beats.until(() => runs.every(isListed), 3 * BEAT_MS);
  const since = performance.now();
  await letGo();
  const worker = await silentOne(stage, names, since);
  const isDone = ({ item }: StagedGeneration): boolean => item.status === 'done' && item.attempt === 1;
  const orphans = runs.filter((run, at) => owners[at] === worker && !isDone(run));
  if (orphans.length === 0) throw new NotChecked(`${worker} went and ran none of ${length} generations`);
  return { worker, orphans };
};

/** @throws ClauseFailure unless each goes on elsewhere, in the same log */
const expectElsewhere = async ({ worker, orphans }: Departure): Promise<void> => {
  for (const orphan of orphans) {
    const isElsewhere = (): boolean => orphan.item.status === 'running' && orphan.item.worker !== worker;
    await orphan.expect('another worker to go on', isElsewhere, TAKEN_MS);
    await orphan.expectTokens(orphan.head.seq + 1);
    demand(firstBreak(orphan.records) === undefined, 'one log', firstBreak(orphan.records) ?? '');
  }
};

const checkKill = async (stage: Stage): Promise<string> => {
  const { kill } = stage.target;
  if (kill === undefined) throw new NotChecked('give --pid or --kill-command');
  const departure = await depart(stage, kill);
  await expectElsewhere(departure);
  const { worker, orphans } = departure;
  return `${worker} was killed; its ${orphans.length} generations went on elsewhere`;
};

const checkStop = async (stage: Stage): Promise<string> => {
  const { stop } = stage.target;
  if (stop === undefined) throw new NotChecked('give --stop-command');
  const departure = await depart(stage, stop);
  await expectElsewhere(departure);
  const { worker, orphans } = departure;
  const crashed = orphans.filter(({ item }) => item.crashes !== undefined).length;
  demand(crashed === 0, 'every generation handed over', `${crashed} of ${orphans.length} found by others`);
  return `${worker} handed over its ${orphans.length} generations`;
};

export const CRASH: readonly Clause[] = [
  {
    id: 'W39',
    title: 'Taking over',
    long: true,
    advice:
      'count your own beats: a peer silent for 3 to 5 of them is dead; queue its runs and publish their jobs',
    check: checkTakeover,
  },
  {
    id: 'W40',
    title: 'The crash budget',
    advice:
      'end a generation whose crashes reach 3 with error worker_crashed; count from 1 again when its log got further',
    check: checkBudget,
  },
  {
    id: 'W41',
    title: 'kill -9',
    advice: 'see W3 and W39: whoever takes over needs the dead worker’s list, and then the log',
    alone: true,
    check: checkKill,
  },
  {
    id: 'W42',
    title: 'Going away',
    advice: 'on SIGTERM write your items queued, publish their jobs, ack yours, and nak what still comes',
    alone: true,
    check: checkStop,
  },
];
