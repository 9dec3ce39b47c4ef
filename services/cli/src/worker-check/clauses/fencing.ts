import { isDeepStrictEqual } from 'node:util';

import type { TokenRecord } from '@sluice/protocol';
import { ClauseFailure, demand } from '../clause.ts';
import type { Clause } from '../clause.ts';
import { firstBreak } from '../record-rules.ts';
import type { Stage } from '../stage.ts';
import type { StagedGeneration } from '../staged-generation.ts';

/** Late records of a worker that should have stopped come within this time, ms. */
const QUIET_MS = 2_000;
const UNLISTED_MS = 3_500;
/** Tokens of an earlier attempt, in two chunks. */
const EARLIER = Array.from({ length: 40 }, (_, index) => ` w${index + 1}`);
const MORE = 24;
/** How much a zombie manages to write before it is fenced, at most. */
const ZOMBIE_TOKENS = 250;

const checkFenced = async (stage: Stage): Promise<string> => {
  // Held at its lead, so that it is certain whose record comes next.
  const generation = await stage.start({ lead: 'strict' });
  const edge = generation.attach();
  await generation.expectTokens(8);
  await generation.until(() => false, 300);
  const { worker = '', attempt } = generation.item;
  const { rev } = generation.newest;
  const thief = attempt + 1;
  await generation.append(thief);
  const isThiefs = (record: TokenRecord): boolean => record.attempt === thief;
  await generation.expect('the newer claim in the log', () => generation.records.some(isThiefs));
  const since = performance.now();
  edge.follow(generation.head);
  const after = (): number => generation.records.length - 1 - generation.records.findIndex(isThiefs);
  await generation.until(() => after() > 0, QUIET_MS);
  demand(after() === 0, 'no record after the claim of a newer attempt', `${after()} more`);
  demand(generation.newest.rev === rev, 'the item left to the newer attempt', generation.describe());
  const { beats } = stage.target;
  const isUnlisted = (): boolean =>
    beats.of(worker, since).length > 0 && beats.attemptIn(worker, generation.key, since) === undefined;
  const isStopped = await beats.until(isUnlisted, UNLISTED_MS);
  demand(isStopped === true, 'a run that stops, and beats that do not list it', 'beats that list it');
  return 'refused once, it stopped and left item and log alone';
};

const checkNewerLog = async (stage: Stage): Promise<string> => {
  const generation = await stage.prepare({ item: { attempt: 1 } });
  await generation.append(9, ['newer ', 'text']);
  await generation.expect('the log that was just written', () => generation.head.seq === 2);
  await generation.enqueue(2);
  generation.follow();
  await generation.until(() => generation.records.length > 1, QUIET_MS);
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
  const { epoch, base, prev, tokens } = record;
  if (head !== undefined && epoch === head.epoch)
    return base === head.base && prev === head.prev && isDeepStrictEqual(tokens, head.tokens);
  return base === 0 && prev === 0 && tokens.length === 0;
};

const shortOf = ({ epoch, attempt, base, tokens }: TokenRecord): string =>
  `a record of attempt ${attempt} with epoch ${epoch}, base ${base}, ${tokens.length} tokens`;

const checkClaimRecord = async (stage: Stage): Promise<string> => {
  const generation = await secondAttempt(stage);
  const mine = generation.records.length;
  const first = await generation.expect('a record of the new attempt', () => generation.records[mine]);
  demand(
    isClaim(first, generation.records[mine - 1], 2),
    'a claim: the chunk as found under attempt 2, no new token',
    shortOf(first),
  );
  return 'the first record of attempt 2 claimed the log and added nothing';
};

/** A log of two attempts is one log, and the item says what it says. @returns what was seen */
const expectContinued = async (generation: StagedGeneration, stored: string): Promise<string> => {
  generation.follow();
  const done = await generation.expectDone();
  const broken = firstBreak(generation.records);
  if (broken !== undefined) throw new ClauseFailure('records that are one log', broken);
  demand(done.reason !== 'error', 'an answer', `an error: ${done.error?.message ?? ''}`);
  if (done.epoch > 0) return 'it began anew in the next epoch';
  demand(
    done.text?.startsWith(stored) === true && done.seq > 0,
    'a text that goes on from what was stored',
    `another one of ${done.seq} tokens`,
  );
  return `it went on from the same token, to ${done.seq}`;
};

const checkGoesOn = async (stage: Stage): Promise<string> =>
  expectContinued(await secondAttempt(stage), EARLIER.join(''));

const checkZombie = async (stage: Stage): Promise<string> => {
  const generation = await stage.prepare({ maxTokens: ZOMBIE_TOKENS + MORE, item: { attempt: 1 } });
  await generation.append(1, ['z0']);
  await generation.enqueue();
  let written = 'z0';
  for (let count = 1; count < ZOMBIE_TOKENS; count += 1) {
    const token = ` z${count}`;
    if (!(await writesOn(generation, token))) break;
    written += token;
  }
  await generation.expect('a record of attempt 2', () =>
    generation.records.some(({ attempt }) => attempt === 2),
  );
  const seen = await expectContinued(generation, written);
  return `${written.split(' ').length} tokens of a zombie are in the log; ${seen}`;
};

/** One more token of attempt 1, unless it is fenced by now. */
const writesOn = async (generation: StagedGeneration, token: string): Promise<boolean> => {
  try {
    return (await generation.append(1, [token])).type === 'stored';
  } catch (error) {
    // The writer refuses to go on after a newer attempt: that is the fence.
    if (error instanceof TypeError) return false;
    throw error;
  }
};

export const FENCING: readonly Clause[] = [
  {
    id: 'W20',
    title: 'The fence',
    advice: 'publish each record with Nats-Expected-Last-Subject-Sequence; a newer head: stop and touch nothing',
    check: checkFenced,
  },
  {
    id: 'W21',
    title: 'A log of a newer attempt',
    advice: 'read the head at the claim; when its attempt is above yours, write nothing and leave the job',
    check: checkNewerLog,
  },
  {
    id: 'W22',
    title: 'The claim record',
    advice: 'an attempt after the first begins with the chunk as found, its own attempt and no new token',
    check: checkClaimRecord,
  },
  {
    id: 'W23',
    title: 'Going on from the same token',
    advice: 'give the engine the stored text as prefix; if it cannot go on, begin epoch + 1 at base 0, prev 0',
    check: checkGoesOn,
  },
  {
    id: 'W24',
    title: 'A zombie that still writes',
    advice: 'claim refused and the head of an older attempt: read the log again and claim again',
    check: checkZombie,
  },
  {
    id: 'W25',
    title: 'A publish without an answer',
    unseen: 'it takes an outage between your worker and NATS',
  },
];
