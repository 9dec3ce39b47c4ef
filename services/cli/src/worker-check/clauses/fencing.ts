import { isDeepStrictEqual } from 'node:util';

import type { TokenLog } from '@sluice/bus';
import { ChunkWriter, MIN_LEAD } from '@sluice/core';
import type { TokenRecord } from '@sluice/protocol';
import { demand } from '../clause-failure.ts';
import type { Clause } from '../clause.ts';
import { demandContinued } from '../continuation.ts';
import type { Stage } from '../stage.ts';
import type { StagedGeneration } from '../staged-generation.ts';

/** Tokens of an earlier attempt, in two chunks. */
const EARLIER = Array.from({ length: 40 }, (_, index) => ` w${index + 1}`);
const MORE = 24;
/** Whether a zombie's record comes between a worker's read and its claim is luck, so many try. */
const LANES = 3;
const ROUNDS = 4;
/** One writes for so long, and then rests a little longer each time, so that a worker finds its moment; ms. */
const ZOMBIE_MS = 50;
const REST_MS = 10;
const MOST_REST_MS = 150;

const checkFenced = async (stage: Stage): Promise<string> => {
  // Held at its lead, so that it is certain whose record comes next.
  const generation = await stage.start({ lead: 'strict' });
  const edge = generation.attach();
  await generation.expectTokens(MIN_LEAD);
  await generation.demandNotParked();
  const { worker = '', attempt } = generation.item;
  const { rev } = generation.newest;
  const { seq, epoch } = generation.head;
  const thief = attempt + 1;
  // In another chunk than the one the worker writes: a fence holds over all of them.
  await generation.restart(thief);
  const isThiefs = (record: TokenRecord): boolean => record.attempt === thief;
  await generation.expect('the newer claim in the log', () => generation.records.some(isThiefs));
  const since = performance.now();
  edge.ack(seq, epoch);
  const after = (): number => generation.records.length - 1 - generation.records.findIndex(isThiefs);
  const { beats, timeoutMs } = stage.target;
  const isUnlisted = (): boolean =>
    beats.countOf(worker, since) > 0 && beats.attemptIn(worker, generation.key, since) === undefined;
  const isWrong = (): boolean => after() > 0 || generation.newest.rev !== rev;
  await beats.until(() => isUnlisted() || isWrong(), timeoutMs);
  await generation.demandNotParked();
  demand(after() === 0, 'no record after the claim of a newer attempt', `${after()} more`);
  demand(generation.newest.rev === rev, 'the item left to the newer attempt', generation.describe());
  demand(isUnlisted(), 'a run that stops, and beats that do not list it', 'beats that list it');
  return 'refused once, it stopped and left item and log alone';
};

const checkNewerLog = async (stage: Stage): Promise<string> => {
  const generation = await stage.prepare({ item: { attempt: 1 } });
  await generation.append(9, ['newer ', 'text']);
  await generation.expect('the log that was just written', () => generation.head.seq === 2);
  await generation.enqueue(2);
  generation.follow();
  await stage.letWork();
  demand(generation.records.length === 1, 'nothing written to the log', generation.describe());
  return 'a log whose head is of a newer attempt was left alone';
};

/** A queued generation whose first attempt died after 40 tokens, with its job published. */
const secondAttempt = async (stage: Stage): Promise<StagedGeneration> => {
  const maxTokens = EARLIER.length + MORE;
  const generation = await stage.prepare({ maxTokens, item: { attempt: 1 } });
  await generation.append(1, EARLIER);
  await generation.expect('the log that was just written', () => generation.head.seq === EARLIER.length);
  await generation.enqueue();
  return generation;
};

/** Whether a record is the claim of `attempt` on a log with this head: no new token. */
const isClaim = (record: TokenRecord, head: TokenRecord | undefined, attempt: number): boolean => {
  if (record.attempt !== attempt || record.end !== undefined) return false;
  const { epoch, base, tokens } = record;
  if (head !== undefined && epoch === head.epoch)
    return base === head.base && isDeepStrictEqual(tokens, head.tokens);
  return base === 0 && tokens.length === 0;
};

const shortOf = ({ epoch, attempt, base, tokens }: TokenRecord): string =>
  `a record of attempt ${attempt} with epoch ${epoch}, base ${base}, ${tokens.length} tokens`;

const checkClaimRecord = async (stage: Stage): Promise<string> => {
  const generation = await secondAttempt(stage);
  const { records } = generation;
  // The worker may have written several before the check looks.
  const isNew = ({ attempt }: TokenRecord): boolean => attempt > 1;
  const first = await generation.expect('a record of the new attempt', () => records.find(isNew));
  demand(
    isClaim(first, records[records.indexOf(first) - 1], 2),
    'a claim: the chunk as found under attempt 2, no new token',
    shortOf(first),
  );
  return 'the first record of attempt 2 claimed the log and added nothing';
};

const checkGoesOn = async (stage: Stage): Promise<string> => {
  const generation = await secondAttempt(stage);
  generation.follow();
  await generation.expectDone();
  return demandContinued(generation, EARLIER.join(''));
};

/** Appends as attempt 1, one record after the other, without looking who else writes. */
const zombieOf = (generation: StagedGeneration, tokens: TokenLog): (() => Promise<boolean>) => {
  const writer = new ChunkWriter(1);
  return async () => {
    const { draft } = writer.draft([`z${writer.head + 1} `], Date.now());
    const outcome = await tokens.append(generation.key, draft);
    if (outcome.type === 'stored') writer.stored(outcome.sequence);
    return outcome.type === 'stored';
  };
};

/** A first attempt that writes on while the second one reads the log and claims it. @returns its tokens */
const playZombie = async (stage: Stage): Promise<number> => {
  const generation = await stage.prepare({ item: { attempt: 1 } });
  const writeOn = zombieOf(generation, stage.target.bus.tokens);
  let count = Number(await writeOn());
  await generation.enqueue();
  await generation.expect('the item to be running', () => generation.item.status === 'running');
  const isClaimed = (): boolean => generation.records.at(-1)?.attempt === 2;
  for (let rest = REST_MS; rest <= MOST_REST_MS && !isClaimed(); rest += REST_MS) {
    const end = performance.now() + ZOMBIE_MS;
    while (performance.now() < end && (await writeOn())) count += 1;
    await generation.until(isClaimed, rest);
  }
  await generation.expect('a record of attempt 2', isClaimed);
  generation.follow();
  await generation.expectTokens(generation.head.seq + 1);
  await generation.cancel();
  await generation.expectDone();
  demandContinued(generation, Array.from({ length: count }, (_, index) => `z${index + 1} `).join(''));
  return count;
};

const checkZombie = async (stage: Stage): Promise<string> => {
  const tokens: number[] = [];
  const lane = async (): Promise<void> => {
    for (let round = 1; round <= ROUNDS; round += 1) tokens.push(await playZombie(stage));
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return `zombies wrote ${tokens.join(', ')} tokens before the claim, and all are in the text`;
};

export const FENCING: readonly Clause[] = [
  {
    id: 'W21',
    title: 'The fence',
    advice:
      'publish each record with Nats-Expected-Last-Subject-Sequence and its -Subject, all chunks; a newer head: stop and touch nothing',
    check: checkFenced,
  },
  {
    id: 'W22',
    title: 'A log of a newer attempt',
    advice: 'read the head at the claim; when its attempt is above yours, write nothing and leave the job',
    check: checkNewerLog,
  },
  {
    id: 'W23',
    title: 'The claim record',
    advice: 'an attempt after the first begins with the chunk as found, its own attempt and no new token',
    check: checkClaimRecord,
  },
  {
    id: 'W24',
    title: 'Going on from the same token',
    advice:
      'give the engine the stored text as prefix; if it cannot go on, begin epoch + 1 at base 0, in the next chunk',
    check: checkGoesOn,
  },
  {
    id: 'W25',
    title: 'A zombie that still writes',
    advice: 'claim refused and the head of an older attempt: read the log again and claim again',
    check: checkZombie,
  },
  {
    id: 'W26',
    title: 'A publish without an answer',
    unseen: 'it takes an outage between your worker and NATS',
  },
];
