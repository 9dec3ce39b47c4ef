import { isDeepStrictEqual } from 'node:util';
import { WORKER_ANNOUNCE_MS } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { ClauseFailure, NotChecked, demand } from '../clause-failure.ts';
import type { Clause } from '../clause.ts';
import { SHORT } from '../stage.ts';
import type { Stage, Target } from '../stage.ts';
import type { ItemVersion, StagedGeneration } from '../staged-generation.ts';

/** A worker that is in no directory. */
const GONE = 'check-gone';
/** The item of a job is written again and again for so long, then left alone for a moment that grows, ms. */
const BURST_MS = 100;
const REST_MS = 10;
const MOST_REST_MS = 300;
/** Whether a write comes between a worker's look and its claim is luck, so there are many contests. */
const LANES = 3;
const CONTESTS = 8;

/** Everything but what a claim changes, or may. */
const kept = (item: StoredGeneration) => {
  const { worker: _worker, status: _status, attempt: _attempt, claimedAt: _claimedAt, ...rest } = item;
  return rest;
};

/** The version in which a worker had claimed it, and the one before. @throws ClauseFailure */
const claimOf = async (
  generation: StagedGeneration,
): Promise<{ readonly before: StoredGeneration; readonly claimed: StoredGeneration }> => {
  const { versions } = generation;
  const isRunning = ({ item }: { item: StoredGeneration }): boolean => item.status === 'running';
  await generation.expect('the item to be running', () => versions.some(isRunning));
  const at = versions.findIndex(isRunning);
  const [before, claimed] = [versions[at - 1], versions[at]];
  if (before === undefined || claimed === undefined)
    throw new ClauseFailure('a queued item before the running one', 'none');
  return { before: before.item, claimed: claimed.item };
};

const checkClaim = async (stage: Stage): Promise<string> => {
  const names = (await stage.workers()).map(({ worker }) => worker);
  const generation = await stage.start({ maxTokens: SHORT });
  generation.follow();
  const { before, claimed } = await claimOf(generation);
  const { worker = 'nobody', attempt } = claimed;
  demand(attempt === 1, 'attempt 1', `attempt ${attempt}`);
  demand(names.includes(worker), `\`worker\` as in the directory: ${names.join(', ')}`, worker);
  demand(isDeepStrictEqual(kept(claimed), kept(before)), 'all other fields as they were', 'changes');
  await generation.expectDone();
  return `claimed by ${worker} as attempt 1`;
};

/** Writes the item for as long as one burst lasts. @returns whether nobody else has written it */
const burst = async (generation: StagedGeneration, { bus }: Target): Promise<boolean> => {
  const { item, rev: first } = generation.newest;
  const end = performance.now() + BURST_MS;
  for (let rev: number | undefined = first; rev !== undefined;) {
    // The next write does not wait until this one is seen: every moment counts.
    if (performance.now() > end)
      return (await generation.until(() => generation.newest.rev === rev)) === true;
    const input = `version ${rev}`;
    rev = await bus.sessions.updateItem(generation.key, { ...item, input }, rev);
  }
  return false;
};

/**
 * Somebody writes the item nearly all the time, with rests that grow: a claim must rest on the version
 * right before it, and a worker that looks first finds its moment.
 */
const contest = async (stage: Stage): Promise<void> => {
  const generation = await stage.prepare({ maxTokens: 1 });
  await generation.enqueue();
  for (let rest = REST_MS; await burst(generation, stage.target); rest += REST_MS) {
    if (await generation.until(() => generation.item.status !== 'queued', rest)) break;
    if (rest > MOST_REST_MS) break;
  }
  const { before, claimed } = await claimOf(generation);
  demand(
    before.status === 'queued' && before.input === claimed.input,
    'a claim made from the newest version of the item',
    'a claim written over a version that the worker had not read',
  );
};

const checkCompareAndSet = async (stage: Stage): Promise<string> => {
  const lane = async (): Promise<void> => {
    for (let round = 1; round <= CONTESTS; round += 1) await contest(stage);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return `${LANES * CONTESTS} claims against a writer who never rests: each from the newest version`;
};

const checkOnce = async (stage: Stage): Promise<string> => {
  const generation = await stage.prepare({ item: { attempt: 5 } });
  generation.follow();
  await generation.enqueue(7);
  await generation.expectTokens(4);
  // The same work again, and once more from before, while it runs.
  await generation.enqueue(6);
  await generation.enqueue(4);
  await stage.letWork();
  await generation.cancel();
  const done = await generation.expectDone();
  const claims = generation.versions.filter(({ item }) => item.status === 'running').length;
  const attempts = new Set(generation.records.map(({ attempt }) => attempt));
  demand(
    claims === 1 && done.attempt === 6 && attempts.size === 1,
    'one claim, as attempt 6',
    `${claims} claims, records of attempts ${[...attempts].join(', ')}`,
  );
  return 'three jobs, one claim';
};

const STALE: readonly { readonly what: string; readonly item: Partial<StoredGeneration> }[] = [
  { what: 'a done generation', item: { status: 'done', attempt: 1, reason: 'stop', text: '' } },
  { what: 'a parked generation', item: { status: 'parked', attempt: 1, parkedAt: Date.now(), text: '' } },
  { what: 'a job older than the newest claim', item: { attempt: 2 } },
];

const checkStale = async (stage: Stage): Promise<string> => {
  const staged = await Promise.all(
    STALE.map(async ({ what, item }) => ({ what, generation: await stage.prepare({ item }) })),
  );
  for (const { generation } of staged) await generation.enqueue(2);
  await stage.letWork();
  const wrong = staged.find(
    ({ generation }) => generation.versions.length > 1 || generation.records.length > 0,
  );
  demand(wrong === undefined, 'stale jobs to change nothing', `${wrong?.what} was run`);
  return `${STALE.length} stale jobs skipped, and the next one was run`;
};

/** A generation, and its item before any worker could look at it. */
type Handed = { readonly generation: StagedGeneration; readonly before: ItemVersion };

/** An item that somebody else's attempt runs, whose job was delivered before and is handed back now. */
const handBack = async (stage: Stage, worker: string): Promise<Handed> => {
  // Parked while the job is caught: other workers skip it.
  const generation = await stage.prepare({ maxTokens: SHORT, item: { status: 'parked', attempt: 0 } });
  const delivery = await stage.takeJob(generation);
  const { attempt } = delivery.job;
  const running = { ...generation.item, status: 'running', attempt, worker } as const;
  if ((await generation.write(running)) === undefined)
    throw new NotChecked('the parked item was changed by somebody else');
  const before = generation.newest;
  delivery.nak();
  return { generation, before };
};

const demandAdopted = async ({ generation, before }: Handed): Promise<void> => {
  generation.follow();
  const { attempt } = before.item;
  const done = await generation.expectDone();
  demand(
    done.attempt === attempt + 1 && done.crashes === 1,
    `attempt ${attempt + 1} and crashes 1`,
    `attempt ${done.attempt} and crashes ${done.crashes ?? 'not counted'}`,
  );
};

const checkRedelivered = async (stage: Stage): Promise<string> => {
  await demandAdopted(await handBack(stage, GONE));
  return 'adopted, counted as a crash, and run to its end';
};

const checkOrphan = async (stage: Stage): Promise<string> => {
  const item = { status: 'running', attempt: 1, worker: GONE } as const;
  const generation = await stage.prepare({ maxTokens: SHORT, item });
  const before = generation.newest;
  const { bus, model } = stage.target;
  await bus.jobs.publish({ ...generation.key, model, attempt: 1, isOrphan: true });
  await demandAdopted({ generation, before });
  return 'treated as delivered before: adopted and run to its end';
};

const checkLeftAlone = async (stage: Stage): Promise<string> => {
  const { workers } = stage.target.bus;
  const worker = 'check-alive';
  const announce = (): Promise<void> => workers.announce({ worker, models: [], slots: 1, running: [] });
  await announce();
  const announcing = setInterval(() => void announce().catch(() => undefined), WORKER_ANNOUNCE_MS);
  try {
    const {
      generation,
      before: { rev },
    } = await handBack(stage, worker);
    await stage.letWork();
    demand(generation.newest.rev === rev, 'the item as it was', generation.describe());
    return 'left to the worker that has it';
  } finally {
    clearInterval(announcing);
    await workers.retire(worker);
  }
};

const checkGarbage = async (stage: Stage): Promise<string> => {
  const { bus, model } = stage.target;
  const garbage: readonly unknown[] = [
    { model },
    { model, org: 'a~b', session: '~', generation: '!', attempt: 1 },
    { model, org: stage.target.org, session: 'none', generation: 'none', attempt: 1 },
  ];
  for (const job of garbage) await bus.jobs.publish(job as never);
  await stage.runToEnd(SHORT);
  return `${garbage.length} jobs that name nothing, and the next one was run`;
};

export const JOBS: readonly Clause[] = [
  {
    id: 'W4',
    title: 'The claim',
    advice: 'write the item as it was, with status running, attempt + 1 and your name in `worker`',
    check: checkClaim,
  },
  {
    id: 'W5',
    title: 'The claim is a compare-and-set',
    advice: 'put the item with the expected last subject sequence you read it at; refused: read it again',
    check: checkCompareAndSet,
  },
  {
    id: 'W6',
    title: 'One run, however many jobs',
    advice: 'leave a job whose item is running; take one only while item.attempt < job.attempt',
    check: checkOnce,
  },
  {
    id: 'W7',
    title: 'Stale jobs',
    advice: 'ack, and do nothing, when the item is done or parked, or its attempt is not below the job’s',
    check: checkStale,
  },
  {
    id: 'W8',
    title: 'A redelivered job of a dead worker',
    advice:
      'redelivered, running, worker not in the directory: write it queued with crashes + 1 and claim it',
    alone: true,
    check: checkRedelivered,
  },
  {
    id: 'W9',
    title: 'A redelivered job of a living worker',
    advice: 'leave the item and do not ack while its worker is in the directory',
    alone: true,
    check: checkLeftAlone,
  },
  {
    id: 'W10',
    title: 'Orphaned jobs',
    advice: 'treat a job that says isOrphan like one that is delivered again',
    check: checkOrphan,
  },
  {
    id: 'W11',
    title: 'Jobs that cannot be read',
    advice: 'check every field of a job; take what is none off the queue (term) and go on',
    alone: true,
    check: checkGarbage,
  },
  {
    id: 'W12',
    title: 'In progress',
    unseen: 'a job is delivered again after 30 s at the earliest, and rightly left alone then',
  },
  {
    id: 'W13',
    title: 'The conversation',
    unseen: 'what the model was told cannot be read from its answer',
  },
];
