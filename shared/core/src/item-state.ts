import type { End, GenerationItem, Position } from '@sluice/protocol';
import { countCrash, countSpent } from './crash-budget.ts';
import type { CrashCount } from './crash-budget.ts';
import type { Transcript } from './transcript.ts';

/**
 * The states of a generation's item and the only ways between them:
 * queued -> running (claim) -> done; running -> parked or queued; parked -> queued; any of them -> done. (`spend`
 * only moves a queued one on to the next attempt.)
 * Each transition returns the next item to be written by compare-and-set, or undefined where the
 * current state does not allow it: somebody else was faster.
 */
export type StoredGeneration = Omit<GenerationItem, 'rev'> &
  CrashCount & {
    /** the worker that claimed it, while it runs */
    readonly worker?: string;
    /** since when it is parked, ms since the Unix epoch */
    readonly parkedAt?: number;
    /** bytes of its prompt, which is stored beside it */
    readonly promptBytes?: number;
  };

/** A generation parked for longer than this is over: whoever reads it next ends it, ms. */
export const ABANDONED_AFTER_MS = 15 * 60_000;

/** A worker takes a queued generation. The attempt it writes fences every older one. */
export const claim = (item: StoredGeneration, worker: string): StoredGeneration | undefined =>
  item.status === 'queued' ? { ...item, status: 'running', attempt: item.attempt + 1, worker } : undefined;

/** The item without what was said so far, wherever that is. */
const withoutAnswer = (item: StoredGeneration): StoredGeneration => {
  const { text: _text, reasoning: _reasoning, toolCalls: _toolCalls, ...others } = item;
  const { preview: _preview, bodies, ...rest } = others;
  return bodies?.input === undefined ? rest : { ...rest, bodies: { input: bodies.input } };
};

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
  const { worker: _worker, parkedAt: _parkedAt, ...rest } = item;
  return {
    ...(transcript === undefined ? rest : withoutAnswer(rest)),
    ...transcript,
    ...end,
    status: 'done',
    epoch: at.epoch,
    seq: at.seq,
  };
};
