import { MAX_LEAD, MIN_LEAD, requeue, transcriptOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { ClauseFailure, NotChecked, demand } from '../clause-failure.ts';
import type { Clause } from '../clause.ts';
import { demandContinued } from '../continuation.ts';
import type { PlayedEdge } from '../played-edge.ts';
import { chunksOf } from '../record-rules.ts';
import type { Stage } from '../stage.ts';
import type { StagedGeneration } from '../staged-generation.ts';

/** A run without a new token for so long is held, parked or not; ms. */
const HELD_MS = 5_000;
/** Records of a parked run would come within this time, ms. */
const QUIET_MS = 500;
/** Policy `cancel` ends a run that was alone for 10 s. `least`: clocks may differ a little; ms. */
const ALONE_MS = { least: 9_000, usual: 10_000 } as const;
/** Forgotten after 15 s, held within the lead, parked 2 s later; ms. */
const FORGOTTEN_MS = { least: 13_000, usual: 17_000 } as const;
/** More tokens than come in that time. */
const ENDLESS = 100_000;

/** Waits until a run is held: parked, as a rule. Ends early when it is over, or has more than `most` tokens. */
const untilHeld = async (generation: StagedGeneration, most: number): Promise<void> => {
  const isDecided = (): boolean => generation.item.status !== 'running' || generation.head.seq > most;
  for (let seq = -1; generation.head.seq > seq && !isDecided();) {
    ({ seq } = generation.head);
    await generation.until(() => generation.head.seq > seq || isDecided(), HELD_MS);
  }
};

/** Waits until the run is held at exactly `seq` tokens. */
const expectHeld = async (generation: StagedGeneration, seq: number): Promise<void> => {
  await generation.expectTokens(seq);
  await untilHeld(generation, seq);
  demand(generation.head.seq === seq, `${seq} tokens and no more`, generation.describe());
};

const checkStrict = async (stage: Stage): Promise<string> => {
  const generation = await stage.start({ lead: 'strict' });
  generation.attach();
  await generation.expectTokens(1);
  await untilHeld(generation, MIN_LEAD);
  demand(generation.head.seq <= MIN_LEAD, `at most ${MIN_LEAD} tokens without an ack`, generation.describe());
  return `${generation.head.seq} tokens without an ack`;
};

const checkAckMoves = async (stage: Stage): Promise<string> => {
  const generation = await stage.start({ lead: 'strict' });
  const edge = generation.attach();
  for (const acked of [10, 26]) {
    await generation.expectTokens(acked);
    await generation.demandNotParked();
    edge.ack(acked);
  }
  await expectHeld(generation, 26 + MIN_LEAD);
  return `an ack of 26 let it go to ${26 + MIN_LEAD}, and not further`;
};

const checkAdaptive = async (stage: Stage): Promise<string> => {
  const generation = await stage.start();
  generation.attach();
  await generation.expectTokens(1);
  await untilHeld(generation, MAX_LEAD);
  const { seq } = generation.head;
  demand(seq <= MAX_LEAD, `at most ${MAX_LEAD} tokens without an ack`, `${seq}`);
  if (generation.item.status === 'done')
    throw new NotChecked(`the answer ended after ${seq} tokens: give a --prompt with a longer one`);
  return `${seq} tokens without an ack`;
};

type Apart = { readonly generation: StagedGeneration; readonly behind: PlayedEdge };

/** A run with two edges: the one at 8 of its tokens, the other at 16. */
const startApart = async (stage: Stage, governor: 'slowest' | 'fastest'): Promise<Apart> => {
  const generation = await stage.start({ lead: 'strict', governor });
  const [behind, ahead] = [generation.attach(), generation.attach()];
  await generation.expectTokens(1);
  await generation.demandNotParked();
  behind.ack(8);
  ahead.ack(16);
  return { generation, behind };
};

const checkBehind = async (stage: Stage): Promise<void> => {
  const { generation } = await startApart(stage, 'slowest');
  await expectHeld(generation, 8 + MIN_LEAD);
};

const checkBehindLeft = async (stage: Stage): Promise<void> => {
  const { generation, behind } = await startApart(stage, 'slowest');
  await generation.expectTokens(8 + MIN_LEAD);
  await generation.demandNotParked();
  behind.leave();
  await expectHeld(generation, 16 + MIN_LEAD);
};

const checkAhead = async (stage: Stage): Promise<void> => {
  const { generation } = await startApart(stage, 'fastest');
  await expectHeld(generation, 16 + MIN_LEAD);
};

const checkGovernor = async (stage: Stage): Promise<string> => {
  await Promise.all([checkBehind(stage), checkBehindLeft(stage), checkAhead(stage)]);
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
  const isOver = (): boolean => ['done', 'parked'].includes(generation.item.status);
  await generation.expect('the item to be done', isOver, ALONE_MS.usual + stage.target.timeoutMs);
  const { item: done } = generation;
  const tookMs = Math.round(performance.now() - since);
  demand(done.reason === 'abandoned', 'reason abandoned', generation.describe());
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
  const isHeld = (): boolean => generation.item.status !== 'running';
  await generation.expect('the run to be held', isHeld, FORGOTTEN_MS.usual + stage.target.timeoutMs);
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
