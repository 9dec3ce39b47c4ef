import { MAX_LEAD, MIN_LEAD } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import type { CancelReply } from '@sluice/protocol';
import { ClauseFailure, demand } from '../clause-failure.ts';
import type { Clause } from '../clause.ts';
import type { Stage } from '../stage.ts';
import type { StagedGeneration } from '../staged-generation.ts';

/** A cancel that found nobody is sent again, as edges do: the worker may listen a moment after its claim. */
const TRIES = 40;
const AGAIN_MS = 50;

const cancel = async (generation: StagedGeneration): Promise<Exclude<CancelReply, { type: 'leaving' }>> => {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const reply = await generation.cancel().catch((error: unknown) => {
      throw new ClauseFailure('a reply to the cancel within 2 s', (error as Error).message);
    });
    if (reply?.type === 'cancelling') return reply;
    await generation.until(() => false, AGAIN_MS);
  }
  throw new ClauseFailure(
    'a reply to the cancel',
    'nobody who listens on its ctl subject, or only `leaving`',
  );
};

const expectCancelled = async (generation: StagedGeneration): Promise<StoredGeneration> => {
  await generation.demandNotParked();
  const { seq } = generation.head;
  const { attempt } = await cancel(generation);
  const { attempt: current } = generation.item;
  demand(attempt === current, `{"type":"cancelling","attempt":${current}}`, `attempt ${attempt}`);
  const done = await generation.expectDone();
  const end = generation.records.at(-1)?.end;
  demand(end?.reason === 'cancelled', 'a record with end cancelled', generation.describe());
  const { tokensAfterCancel, msToAbort } = end?.receipt ?? {};
  demand(
    Number.isInteger(tokensAfterCancel) && typeof msToAbort === 'number',
    'a receipt {tokensAfterCancel, msToAbort}',
    JSON.stringify(end?.receipt ?? 'none'),
  );
  const more = done.seq - seq;
  demand(more <= MAX_LEAD, `at most ${MAX_LEAD} tokens more`, `${more}`);
  return done;
};

const checkRunning = async (stage: Stage): Promise<string> => {
  const generation = await stage.start();
  generation.follow();
  await generation.expectTokens(8);
  const { seq, receipt } = await expectCancelled(generation);
  return `stopped at ${seq} tokens, ${receipt?.msToAbort} ms after the cancel`;
};

const checkHeld = async (stage: Stage): Promise<string> => {
  const generation = await stage.start({ lead: 'strict' });
  generation.attach();
  await generation.expectTokens(MIN_LEAD);
  await generation.until(() => false, 200);
  const { seq } = await expectCancelled(generation);
  return `stopped at ${seq} tokens while it waited for acks`;
};

const checkSilentAfter = async (stage: Stage): Promise<string> => {
  const generation = await stage.runToEnd(8);
  const deadline = performance.now() + stage.target.timeoutMs;
  for (;;) {
    // One that crosses with the end may stay without an answer; the next one must find nobody.
    const reply = await generation.cancel().catch(() => 'no answer');
    if (reply === undefined) return 'nobody answers for a generation that is done';
    const isLate = performance.now() > deadline;
    demand(!isLate, 'nobody who answers once the item is done', JSON.stringify(reply));
    await generation.until(() => false, AGAIN_MS);
  }
};

export const CANCEL: readonly Clause[] = [
  {
    id: 'W36',
    title: 'Cancel',
    advice: 'answer the request at once, stop the engine, end with cancelled and a receipt, finish the item',
    check: checkRunning,
  },
  {
    id: 'W37',
    title: 'Cancel while held',
    advice: 'let a cancel wake the run that waits for acks',
    check: checkHeld,
  },
  {
    id: 'W38',
    title: 'Control ends with the run',
    advice:
      'unsubscribe from ctl once the item is written; drain, so that a request that crosses is answered',
    check: checkSilentAfter,
  },
];
