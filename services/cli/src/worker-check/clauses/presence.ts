import { WORKER_TTL_MS } from '@sluice/bus';
import type { WorkerInfo } from '@sluice/bus';
import { demand } from '../clause-failure.ts';
import type { Clause } from '../clause.ts';
import type { Stage } from '../stage.ts';

/** Longer than an entry lives that is written once, ms. */
const WATCH_ENTRY_MS = WORKER_TTL_MS + 1_500;
const LOOK_MS = 500;
/** Five beats are due in it; three have to come, since machines stumble. */
const WATCH_BEATS_MS = 4_800;
const LEAST_BEATS = 3;
/** A list of runs that is older than this is no use to whoever takes over, ms. */
const LISTED_MS = 2_500;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The workers under test. @throws ClauseFailure when there is none */
const workersOf = async (stage: Stage): Promise<readonly WorkerInfo[]> => {
  const workers = await stage.workers();
  const { model, unreadable } = stage.target;
  const [flaw = ''] = [...unreadable].filter((message) => message.startsWith('worker entry'));
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
  const since = performance.now();
  await pause(WATCH_BEATS_MS);
  for (const { worker } of workers) {
    const beats = stage.target.beats.of(worker, since).filter(({ beat }) => beat.isExtra !== true);
    demand(
      beats.length >= LEAST_BEATS,
      `a beat of ${worker} every second`,
      `${beats.length} in ${WATCH_BEATS_MS} ms`,
    );
  }
  return `beats of ${workers.length} worker(s) came in time`;
};

const checkRunningList = async (stage: Stage): Promise<string> => {
  const { beats } = stage.target;
  const since = performance.now();
  const generation = await stage.start();
  const edge = generation.follow();
  await generation.expectTokens(1);
  const { worker = '', attempt } = generation.item;
  const listed = (): number | undefined => beats.attemptIn(worker, generation.key, since);
  const found = await beats.until(() => listed() === attempt, LISTED_MS);
  demand(
    found === true,
    `a beat of ${worker} that lists the generation with attempt ${attempt}`,
    `${beats.of(worker, since).length} beats, attempt ${listed() ?? 'none'}`,
  );
  edge.leave();
  await generation.cancel();
  await generation.expectDone();
  const over = performance.now();
  const isGone = (): boolean => beats.of(worker, over).length > 0 && listed() === undefined;
  demand(
    (await beats.until(isGone, LISTED_MS)) === true,
    'a beat without the generation once it is done',
    'beats that still list it',
  );
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
