import { withoutAnswer } from '@sluice/protocol';
import type { End, GenerationItem, Position } from '@sluice/protocol';
import { countCrash, countSpent, poisonEnd } from './crash-budget.ts';
import type { CrashCount } from './crash-budget.ts';
import type { Transcript } from './transcript.ts';

/** What an item keeps of its runs for the ledger. */
type UsageAccount = {
  /** since when the attempt that runs has a slot, ms since the Unix epoch, by its worker's clock */
  readonly claimedAt?: number;
  /** how long the attempts before had one, ms */
  readonly gpuMs?: number;
  /** tokens that its stop has saved, as far as its worker could tell */
  readonly savedTokens?: number;
  /** ms since the Unix epoch */
  readonly endedAt?: number;
};

/**
 * The states of a generation's item and the only ways between them:
 * queued -> running (claim) -> done; running -> parked or queued; parked -> queued; any of them -> done. (`spend`
 * only moves a queued one on to the next attempt.)
 * Each transition returns the next item to be written by compare-and-set, or undefined where the
 * current state does not allow it: somebody else was faster.
 */
export type StoredGeneration = Omit<GenerationItem, 'rev'> &
  CrashCount &
  UsageAccount & {
    /** hash of its prompt's body: the prompt may expire first */
    readonly promptHash?: string;
    /** the worker that claimed it, while it runs */
    readonly worker?: string;
    /** since when it is parked, ms since the Unix epoch */
    readonly parkedAt?: number;
    /** since when it shall end as cancelled, ms since the Unix epoch: whoever has it next ends it, nobody runs it again */
    readonly cancelledAt?: number;
    /** bytes of its prompt, which is stored beside it */
    readonly promptBytes?: number;
    /** W3C `traceparent` of the prompt */
    readonly traceparent?: string;
  };

/** A generation parked for longer than this is over, ms. */
export const ABANDONED_AFTER_MS = 15 * 60_000;

/** How a generation is cancelled that nobody runs: nothing has to stop. */
export const CANCELLED: End = { reason: 'cancelled', receipt: { tokensAfterCancel: 0, msToAbort: 0 } };

/** How a generation ends that is not to run again: whoever has it next ends it so. undefined: it goes on. */
export const dueEnd = (item: StoredGeneration, now: number): End | undefined => {
  if (item.cancelledAt !== undefined) return CANCELLED;
  const { status, parkedAt = now } = item;
  if (status === 'parked' && now - parkedAt > ABANDONED_AFTER_MS) return { reason: 'abandoned' };
  return poisonEnd(item);
};

/** Its worker is told to stop; this holds where that worker dies before it has. The item itself: it says so already. */
export const markCancelled = (item: StoredGeneration, now: number): StoredGeneration =>
  item.cancelledAt === undefined ? { ...item, cancelledAt: now } : item;

/** A worker takes a queued generation. The attempt it writes fences every older one. */
export const claim = (item: StoredGeneration, worker: string): StoredGeneration | undefined =>
  item.status === 'queued' ? { ...item, status: 'running', attempt: item.attempt + 1, worker } : undefined;

/** A generation that its worker hands over, or that was parked, waits for a worker again. */
export const requeue = (item: StoredGeneration): StoredGeneration | undefined => {
  if (item.status !== 'running' && item.status !== 'parked') return undefined;
  const { worker: _worker, parkedAt: _parkedAt, ...rest } = item;
  return { ...withoutAnswer(rest), status: 'queued' };
};

/**
 * As {@link requeue}, for a run whose worker died: that counts against the generation.
 * @param seq how far the log had got by then
 */
export const adopt = (item: StoredGeneration, seq: number): StoredGeneration | undefined => {
  if (item.status !== 'running') return undefined;
  const { worker: _worker, ...rest } = item;
  return { ...rest, ...countCrash(item, seq), status: 'queued' };
};

/** A worker died that had taken the job of a queued generation, before the claim: the job is spent, so is its attempt. */
export const spend = (item: StoredGeneration): StoredGeneration | undefined =>
  item.status === 'queued' ? { ...item, ...countSpent(item), attempt: item.attempt + 1 } : undefined;

/**
 * The worker of this attempt stops the engine and frees its slot. The text so far goes into the item:
 * the log may have expired before anybody comes back.
 */
export const park = (
  item: StoredGeneration,
  attempt: number,
  { at, transcript, now }: { readonly at: Position; readonly transcript: Transcript; readonly now: number },
): StoredGeneration | undefined => {
  if (item.status !== 'running' || item.attempt !== attempt) return undefined;
  const { worker: _worker, ...rest } = item;
  return {
    ...withoutAnswer(rest),
    ...transcript,
    status: 'parked',
    parkedAt: now,
    epoch: at.epoch,
    seq: at.seq,
  };
};

/**
 * The end, with everything the log said. Whatever the state, but only once.
 * @param transcript undefined: what the item says already is all there is
 */
export const finish = (
  item: StoredGeneration,
  end: End,
  at: Position,
  transcript?: Transcript,
): StoredGeneration | undefined => {
  if (item.status === 'done') return undefined;
  const { worker: _worker, parkedAt: _parkedAt, cancelledAt: _cancelledAt, ...rest } = item;
  return {
    ...(transcript === undefined ? rest : withoutAnswer(rest)),
    ...transcript,
    ...end,
    status: 'done',
    epoch: at.epoch,
    seq: at.seq,
  };
};

/** What a generation that is listed as open looks like to whoever goes through them. */
export type OpenState = {
  /** undefined: there is none, or none yet */
  readonly item: StoredGeneration | undefined;
  /** whether its worker is known to run it no more */
  readonly isDeserted: boolean;
  readonly now: number;
};

/**
 * `complete`: its creation, which a crash may have cut short. `queue`: make sure of its job, which a queue that has it
 * does not take again. `adopt`: from its dead worker. `end`: it is cancelled, or was parked for too long. `forget`: it is done.
 */
export type SweepStep = 'complete' | 'queue' | 'adopt' | 'end' | 'forget' | 'leave';

/** What has to be done so that an open generation does not wait for somebody to notice it. */
export const sweepStep = ({ item, isDeserted, now }: OpenState): SweepStep => {
  if (item === undefined) return 'complete';
  if (item.status === 'done') return 'forget';
  if (item.status === 'running') return isDeserted ? 'adopt' : 'leave';
  if (dueEnd(item, now) !== undefined) return 'end';
  return item.status === 'queued' ? 'queue' : 'leave';
};
