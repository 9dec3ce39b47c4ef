import { WORKER_TTL_MS } from '@sluice/bus';
import type { WorkerInfo } from '@sluice/bus';
import { demand } from '../clause-failure.ts';
import type { Clause } from '../clause.ts';
import type { Stage } from '../stage.ts';

/** Longer than an entry lives that is written once, with time for a busy NATS to forget it, ms. */
const WATCH_ENTRY_MS = WORKER_TTL_MS + 5_000;
const LOOK_MS = 500;
/** Five beats are due in it; three have to come, since machines stumble. */
const WATCH_BEATS_MS = 4_800;
const LEAST_BEATS = 3;
/** Windows that are watched until one is good: a machine that stumbles does not in all of them. */
const WATCHES = 3;
/** A change of what runs must be in one of so many beats: the first may cross with it. */
const BEATS_TO_TELL = 3;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The workers under test. @throws ClauseFailure when there is none */
const workersOf = async (stage: Stage): Promise<readonly WorkerInfo[]> => {
  const workers = await stage.workers();
  const { model, unreadable } = stage.target;
  const [flaw = ''] = [...unreadable].filter((message) => message.startsWith('directory_entry: '));
  demand(workers.length > 0, `a live entry in WORKERS whose models name ${model}`, `none ${flaw}`.trim());
  return workers;
};

const checkEntry = async (stage: Stage): Promise<string> => {
  const first = await workersOf(stage);
  const deadline = performance.now() + WATCH_ENTRY_MS;
  while (performance.now() < deadline) {
    await pause(LOOK_MS);
    const names = new Set((await stage.workers()).map(({ worker }) => worker));
    const lost = first.find(({ worker }) => !names.has(worker));
    demand(lost === undefined, 'an entry that is written again before it expires', 'an entry that vanished');
  }
  return `${first.map(({ worker }) => worker).join(', ')}: there all the time`;
};

const checkBeats = async (stage: Stage): Promise<string> => {
  const workers = await workersOf(stage);
  for (let watch = 1; ; watch += 1) {
    const since = performance.now();
    await pause(WATCH_BEATS_MS);
    const counts = workers.map(({ worker }) => ({
      worker,
      count: stage.target.beats.countOf(worker, since),
    }));
    const late = counts.find(({ count }) => count < LEAST_BEATS);
    if (late === undefined) return `beats of ${workers.length} worker(s) came in time`;
    const { worker, count } = late;
    demand(watch < WATCHES, `a beat of ${worker} every second`, `${count} in ${WATCH_BEATS_MS} ms`);
  }
};

const checkRunningList = async (stage: Stage): Promise<string> => {
  const { beats, timeoutMs } = stage.target;
  const since = performance.now();
  const generation = await stage.start();
  const edge = generation.follow();
  await generation.expectTokens(1);
  const { worker = '', attempt } = generation.item;
  const running = performance.now();
  const listed = (): number | undefined => beats.attemptIn(worker, generation.key, since);
  const hasTold = (at: number): boolean => beats.countOf(worker, at) >= BEATS_TO_TELL;
  await beats.until(() => listed() === attempt || hasTold(running), timeoutMs);
  demand(
    listed() === attempt,
    `a beat of ${worker} that lists the generation with attempt ${attempt}`,
    `${beats.of(worker, since).length} beats, attempt ${listed() ?? 'none'}`,
  );
  edge.leave();
  await generation.cancel();
  await generation.expectDone();
  const over = performance.now();
  const isGone = (): boolean => beats.countOf(worker, over) > 0 && listed() === undefined;
  await beats.until(() => isGone() || hasTold(over), timeoutMs);
  demand(isGone(), 'a beat without the generation once it is done', 'beats that still list it');
  return `${worker} listed it while it ran and not after`;
};

export const PRESENCE: readonly Clause[] = [
  {
    id: 'W1',
    title: 'The directory entry',
    long: true,
    advice: 'put WORKERS/<worker> at the start and every 3 s; it expires after 10 s',
    check: checkEntry,
  },
  {
    id: 'W2',
    title: 'The beat',
    advice: 'publish {worker, running} on beat.workers every second, from a timer that work does not block',
    check: checkBeats,
  },
  {
    id: 'W3',
    title: 'What runs is in the beat',
    advice: 'list {org, session, generation, attempt} of each run in `running` until its item is written',
    check: checkRunningList,
  },
];
