import type { WorkerInfo } from '@sluice/bus';
import { headOf } from '@sluice/protocol';
import type { TokenRecord } from '@sluice/protocol';
import { CameTooLate } from '../clause-failure.ts';
import { demand, NotChecked } from '../clause-failure.ts';
import type { Clause } from '../clause.ts';
import { firstBreak } from '../record-rules.ts';
import { SHORT } from '../stage.ts';
import type { Stage } from '../stage.ts';
import type { StagedGeneration } from '../staged-generation.ts';

const BEAT_MS = 1_000;
const BEATS = 3;
/** A worker without a beat during so many of another one's is gone. */
const GONE_BEATS = 5;
/** Five beats: how long it takes others to find a worker dead, besides what a busy machine adds, ms. */
const FOUND_MS = 5_000;
const EARLIER = ['This ', 'was ', 'written ', 'by ', 'a ', 'worker ', 'that ', 'died.'];
/** Generations that run when a worker is killed, if slots allow: enough that each of two workers has some. */
const MOST_RUNS = 12;

/** Keeps a worker that is none alive until each of the others has looked several times. @returns when it beat last */
const beatAs = async (stage: Stage, worker: string, generation: StagedGeneration): Promise<number> => {
  const { beats, bus, timeoutMs } = stage.target;
  const { rev } = generation.newest;
  const names = (await alive(stage)).map((info) => info.worker);
  const isTaken = (): boolean => generation.newest.rev !== rev;
  const since = performance.now();
  const haveLooked = (): boolean => names.every((name) => beats.countOf(name, since) >= BEATS);
  for (let last = since; ;) {
    bus.workers.beat({ worker, running: [{ ...generation.key, attempt: 1 }] });
    const beat = performance.now();
    await beats.until(() => isTaken() || haveLooked(), BEAT_MS);
    const silentMs = Math.max(beat - last, performance.now() - beat);
    if (isTaken() && silentMs > 2 * BEAT_MS) throw new CameTooLate('the check itself missed a beat');
    demand(!isTaken(), 'a run left alone while its worker beats', generation.describe());
    if (haveLooked() || beat - since > timeoutMs) return beat;
    last = beat;
  }
};

const checkTakeover = async (stage: Stage): Promise<string> => {
  const worker = `check-ghost-${process.pid}`;
  const running = { status: 'running', attempt: 1, worker } as const;
  const generation = await stage.prepare({ maxTokens: EARLIER.length + 16, item: running });
  await generation.append(1, EARLIER);
  const lastBeat = await beatAs(stage, worker, generation);
  generation.follow();
  const isTaken = (): boolean => generation.item.attempt > 1;
  await generation.expect('another attempt', isTaken, FOUND_MS + stage.target.timeoutMs);
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

/** Waits for a worker whose beats have stopped; the others' tell the time, so that a busy machine silences nobody. */
const silentOne = async (stage: Stage, names: readonly string[], since: number): Promise<string> => {
  const { beats, timeoutMs } = stage.target;
  const isSilent = (name: string): boolean => {
    const last = beats.of(name, since).at(-1)?.at ?? since;
    return names.some((other) => other !== name && beats.countOf(other, last) >= GONE_BEATS);
  };
  const silent = await beats.until(() => names.find(isSilent), FOUND_MS + timeoutMs);
  if (silent === undefined) throw new NotChecked('all workers still beat after the kill');
  return silent;
};

/** Who is in the directory and beats: an entry outlives its worker by some seconds. */
const alive = async (stage: Stage): Promise<readonly WorkerInfo[]> => {
  const workers = await stage.workers();
  const since = performance.now();
  const isHeard = ({ worker }: WorkerInfo): boolean => stage.target.beats.of(worker, since).length > 0;
  await stage.target.beats.until(() => workers.every(isHeard), FOUND_MS);
  return workers.filter(isHeard);
};

/** A worker that is gone, and the generations that it ran then. */
type Departure = { readonly worker: string; readonly orphans: readonly StagedGeneration[] };

/** Lets one of several busy workers go. @throws NotChecked when none went, or one that ran nothing */
const depart = async (stage: Stage, letGo: () => Promise<void>): Promise<Departure> => {
  const { model, beats, timeoutMs } = stage.target;
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
  await beats.until(() => runs.every(isListed), timeoutMs);
  const since = performance.now();
  await letGo();
  const worker = await silentOne(stage, names, since);
  const isDone = ({ item }: StagedGeneration): boolean => item.status === 'done' && item.attempt === 1;
  const orphans = runs.filter((run, at) => owners[at] === worker && !isDone(run));
  if (orphans.length === 0) throw new NotChecked(`${worker} went and ran none of ${length} generations`);
  return { worker, orphans };
};

/** Whether a later attempt has claimed a run and added to its log, or ended it. */
const isContinued = ({ records, item }: StagedGeneration): boolean => {
  const claim = records.find(({ attempt }) => attempt > 1);
  return claim !== undefined && (records.some((record) => isBehind(claim, record)) || item.status === 'done');
};

const isBehind = (claim: TokenRecord, record: TokenRecord): boolean =>
  record.attempt >= claim.attempt && record.epoch >= claim.epoch && headOf(record) > headOf(claim);

/** @throws ClauseFailure unless each goes on elsewhere, in the same log */
const expectElsewhere = async (stage: Stage, { worker, orphans }: Departure): Promise<void> => {
  const withinMs = FOUND_MS + stage.target.timeoutMs;
  for (const orphan of orphans) {
    const isElsewhere = (): boolean =>
      orphan.versions.some(
        ({ item }) => item.attempt > 1 && item.status === 'running' && item.worker !== worker,
      );
    await orphan.expect('another worker to go on', isElsewhere, withinMs);
    await orphan.expect('tokens of that worker', () => isContinued(orphan));
    demand(firstBreak(orphan.records) === undefined, 'one log', firstBreak(orphan.records) ?? '');
  }
};

const checkKill = async (stage: Stage): Promise<string> => {
  const { kill } = stage.target;
  if (kill === undefined) throw new NotChecked('give --pid or --kill-command');
  const departure = await depart(stage, kill);
  await expectElsewhere(stage, departure);
  const { worker, orphans } = departure;
  return `${worker} was killed; its ${orphans.length} generations went on elsewhere`;
};

const checkStop = async (stage: Stage): Promise<string> => {
  const { stop } = stage.target;
  if (stop === undefined) throw new NotChecked('give --stop-command');
  const departure = await depart(stage, stop);
  await expectElsewhere(stage, departure);
  const { worker, orphans } = departure;
  const crashed = orphans.filter(({ item }) => item.crashes !== undefined).length;
  demand(crashed === 0, 'every generation handed over', `${crashed} of ${orphans.length} found by others`);
  return `${worker} handed over its ${orphans.length} generations`;
};

const checkMarked = async (stage: Stage): Promise<string> => {
  const item = { attempt: 1, cancelledAt: Date.now() };
  const generation = await stage.prepare({ maxTokens: SHORT, item });
  await generation.enqueue(2);
  const done = await generation.expectDone();
  demand(
    done.reason === 'cancelled' && done.seq === 0 && !('cancelledAt' in done),
    'an item that is done as cancelled, without tokens and without `cancelledAt`',
    generation.describe(),
  );
  return 'ended, and the engine not started';
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
  {
    id: 'W43',
    title: 'A cancel outlives its worker',
    advice: 'end a generation whose item has `cancelledAt` as cancelled instead of starting the engine',
    check: checkMarked,
  },
];
