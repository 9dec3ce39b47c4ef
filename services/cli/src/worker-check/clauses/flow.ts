import { MAX_LEAD, MIN_LEAD, requeue, transcriptOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { ClauseFailure, NotChecked, demand } from '../clause-failure.ts';
import type { Clause } from '../clause.ts';
import { demandContinued } from '../continuation.ts';
import { chunksOf } from '../record-rules.ts';
import type { Stage } from '../stage.ts';
import type { StagedGeneration } from '../staged-generation.ts';

/** Tokens beyond the lead would come within this time, ms; shorter than the hold that parks. */
const QUIET_MS = 500;
/** An adaptive run is looked at until it is parked, or for so long, ms. */
const ADAPTIVE_MS = 8_000;
/** Policy `cancel` ends a run that was alone for 10 s; clocks may differ a little. */
const ALONE_MS = { least: 9_000, most: 16_000 } as const;

/** Forgotten after 15 s, held within the lead, parked 2 s later; ms. */
const FORGOTTEN_MS = { least: 13_000, most: 30_000 } as const;
/** More tokens than come in that time. */
const ENDLESS = 100_000;

/** Waits for exactly `seq` tokens: neither fewer nor, in a while, more. */
const expectHeld = async (generation: StagedGeneration, seq: number): Promise<void> => {
  await generation.expectTokens(seq);
  await generation.until(() => generation.head.seq > seq, QUIET_MS);
  demand(generation.head.seq === seq, `${seq} tokens and no more`, generation.describe());
};

const checkStrict = async (stage: Stage): Promise<string> => {
  const generation = await stage.start({ lead: 'strict' });
  generation.attach();
  await generation.expectTokens(1);
  await generation.until(() => generation.head.seq > MIN_LEAD, 2 * QUIET_MS);
  demand(generation.head.seq <= MIN_LEAD, `at most ${MIN_LEAD} tokens without an ack`, generation.describe());
  return `${generation.head.seq} tokens without an ack`;
};

const checkAckMoves = async (stage: Stage): Promise<string> => {
  const generation = await stage.start({ lead: 'strict' });
  const edge = generation.attach();
  await generation.expectTokens(1);
  for (const acked of [10, 26]) {
    edge.ack(acked);
    await expectHeld(generation, acked + MIN_LEAD);
  }
  return `an ack of 26 let it go to ${26 + MIN_LEAD}, and not further`;
};

const checkAdaptive = async (stage: Stage): Promise<string> => {
  const generation = await stage.start();
  generation.attach();
  await generation.expectTokens(1);
  const isOver = (): boolean => generation.item.status !== 'running' || generation.head.seq > MAX_LEAD;
  await generation.until(isOver, ADAPTIVE_MS);
  const { seq } = generation.head;
  demand(seq <= MAX_LEAD, `at most ${MAX_LEAD} tokens without an ack`, `${seq}`);
  if (generation.item.status === 'done')
    throw new NotChecked(`the answer ended after ${seq} tokens: give a --prompt with a longer one`);
  return `${seq} tokens without an ack`;
};

const checkSlowest = async (stage: Stage): Promise<void> => {
  const generation = await stage.start({ lead: 'strict', governor: 'slowest' });
  const [behind, ahead] = [generation.attach(), generation.attach()];
  await generation.expectTokens(1);
  behind.ack(8);
  ahead.ack(16);
  await expectHeld(generation, 8 + MIN_LEAD);
  behind.leave();
  await expectHeld(generation, 16 + MIN_LEAD);
};

const checkFastest = async (stage: Stage): Promise<void> => {
  const generation = await stage.start({ lead: 'strict' });
  const [behind, ahead] = [generation.attach(), generation.attach()];
  await generation.expectTokens(1);
  behind.ack(8);
  ahead.ack(16);
  await expectHeld(generation, 16 + MIN_LEAD);
};

const checkGovernor = async (stage: Stage): Promise<string> => {
  await checkSlowest(stage);
  await checkFastest(stage);
  return 'slowest: the lower ack counted until its viewer left; fastest: the higher';
};

/** A run that its worker parked since nobody acks. */
const parked = async (stage: Stage): Promise<StagedGeneration> => {
  const generation = await stage.start({ lead: 'strict' });
  generation.attach();
  await generation.expectTokens(1);
  await generation.expect('the item to be parked', () => generation.item.status === 'parked');
  return generation;
};

const checkParked = async (stage: Stage): Promise<string> => {
  const since = Date.now();
  const generation = await parked(stage);
  const { item, head, records } = generation;
  const { text } = transcriptOf(chunksOf(records).flatMap(({ tokens }) => tokens));
  const wanted: Partial<StoredGeneration> = { text, epoch: head.epoch, seq: head.seq };
  const wrong = Object.entries(wanted).filter(
    ([field, value]) => item[field as keyof StoredGeneration] !== value,
  );
  demand(
    wrong.length === 0,
    'text, epoch and seq as the log has them',
    `other ${String(wrong.map(([at]) => at))}`,
  );
  const { parkedAt = 0, worker } = item;
  demand(parkedAt > since - 60_000, '`parkedAt` in ms', `${parkedAt}`);
  demand(worker === undefined, 'no `worker`', `\`worker\` ${worker}`);
  const stored = records.length;
  await generation.until(() => records.length > stored, QUIET_MS);
  const isQuiet = records.length === stored && records.at(-1)?.end === undefined;
  demand(isQuiet, 'a log that stays as it is, without end', generation.describe());
  return `parked with ${item.seq} tokens`;
};

const checkReturn = async (stage: Stage): Promise<string> => {
  const generation = await parked(stage);
  const { text = '', seq } = generation.item;
  const next = requeue(generation.item);
  if (next === undefined || (await generation.write(next)) === undefined)
    throw new ClauseFailure('a parked item that nobody writes', generation.describe());
  await generation.enqueue();
  const edge = generation.follow();
  await generation.expectTokens(seq + 1);
  await generation.expect('a run that goes on', () => generation.item.status === 'running');
  edge.leave();
  await generation.cancel();
  await generation.expectDone();
  return demandContinued(generation, text);
};

const checkFinish = async (stage: Stage): Promise<string> => {
  const generation = await stage.start({ lead: 'strict', onAbandon: 'finish', maxTokens: 3 * MIN_LEAD });
  const done = await generation.expectDone();
  demand(done.seq > MIN_LEAD, 'an answer longer than the lead', generation.describe());
  return `${done.seq} tokens without a viewer`;
};

const checkAbandoned = async (stage: Stage): Promise<string> => {
  const since = performance.now();
  const generation = await stage.start({ lead: 'strict', onAbandon: 'cancel' });
  const done = await generation.expect(
    'the item to be done',
    () => generation.item.status === 'done' && generation.item,
    ALONE_MS.most,
  );
  const tookMs = Math.round(performance.now() - since);
  demand(done.reason === 'abandoned', 'reason abandoned', `reason ${done.reason}`);
  demand(tookMs >= ALONE_MS.least, 'an end after 10 s alone', `one after ${tookMs} ms`);
  return `abandoned after ${(tookMs / 1000).toFixed(1)} s alone`;
};

const checkSilentEdge = async (stage: Stage): Promise<string> => {
  const generation = await stage.start({ maxTokens: ENDLESS });
  // Two edges: one has read nothing, the other all there will ever be, and then it dies.
  generation.attach();
  const dead = generation.attach();
  dead.ack(ENDLESS);
  await generation.expectTokens(1);
  dead.ack(ENDLESS);
  dead.close();
  const since = performance.now();
  await generation.expect(
    'the run to be held',
    () => generation.item.status !== 'running',
    FORGOTTEN_MS.most,
  );
  const tookMs = performance.now() - since;
  if (generation.item.status === 'done')
    throw new NotChecked(`the answer ended after ${(tookMs / 1000).toFixed(0)} s, it has to last for 20`);
  demand(
    tookMs > FORGOTTEN_MS.least,
    'acks of a silent edge to count for 15 s',
    `a hold after ${Math.round(tookMs)} ms`,
  );
  return `${(tookMs / 1000).toFixed(1)} s after an edge fell silent its ack counted no more`;
};

export const FLOW: readonly Clause[] = [
  {
    id: 'W27',
    title: 'The strict lead',
    advice: 'stop taking tokens from the engine 16 tokens ahead of the governing ack',
    check: checkStrict,
  },
  {
    id: 'W28',
    title: 'Acks move the lead',
    advice:
      'subscribe to ctl.<org>.<session>.<generation> before the first token; the newest ack of an edge counts',
    check: checkAckMoves,
  },
  {
    id: 'W29',
    title: 'The adaptive lead',
    advice: 'never be more than 256 tokens ahead of the governing ack; 64 until a round trip is known',
    check: checkAdaptive,
  },
  {
    id: 'W30',
    title: 'The governor',
    advice: 'combine edges as the governor says: highest or lowest ack of those with viewers',
    check: checkGovernor,
  },
  {
    id: 'W31',
    title: 'Hold and park',
    advice: 'held for 2 s: stop the engine, store what you have, write the item parked with text, epoch, seq',
    check: checkParked,
  },
  {
    id: 'W32',
    title: 'Coming back',
    advice: 'a parked generation comes back as a queued item and a new job: claim it and go on from the log',
    check: checkReturn,
  },
  {
    id: 'W33',
    title: 'Nobody watches: finish',
    advice: 'with onAbandon finish ignore the lead while no edge reports a viewer',
    check: checkFinish,
  },
  {
    id: 'W34',
    title: 'Nobody watches: cancel',
    long: true,
    advice: 'with onAbandon cancel end the run as abandoned after 10 s without a viewer; do not park it',
    check: checkAbandoned,
  },
  {
    id: 'W35',
    title: 'Edges that fall silent',
    long: true,
    advice: 'keep the time of each edge’s newest ack and forget an edge after 15 s without one',
    check: checkSilentEdge,
  },
];
