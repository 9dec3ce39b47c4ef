import { endGeneration, readChain, tokensOf } from '@sluice/bus';
import type { Bus, Delivery, GenerationVersion, PromptEntry } from '@sluice/bus';
import { adopt, claim, poisonEnd } from '@sluice/core';
import type { Engine, StoredGeneration } from '@sluice/core';
import type { End, GenerationKey, StoredRecord, Token } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import { seqOfLog } from '../peers/adoption.ts';

/** A generation this worker owns, with what its log already says. */
export type Claimed = {
  readonly key: GenerationKey;
  readonly entry: PromptEntry;
  readonly item: StoredGeneration;
  /** newest stored record; undefined: nothing was stored yet */
  readonly head: StoredRecord | undefined;
  /** all stored tokens of the head's epoch, oldest first; undefined when retention has cut some off */
  readonly prefix: readonly Token[] | undefined;
  /** a foreign message may have replaced records of earlier attempts that viewers have seen */
  readonly isObscured: boolean;
};

/**
 * `gone`: done, cancelled or not wanted any more, so the job is finished. `leave`: somebody else has it. `later`: not
 * here now, so the job goes back.
 */
export type ClaimResult =
  { readonly type: 'claimed'; readonly claimed: Claimed } | { readonly type: 'gone' | 'leave' | 'later' };

export type ClaimContext = {
  readonly bus: Bus;
  readonly worker: string;
  readonly clock: Clock;
  /** whether this worker runs the generation itself right now */
  readonly isRunning: (key: GenerationKey) => boolean;
  /** whether this worker may run it beside what it runs now */
  readonly admits: (item: StoredGeneration) => boolean;
};

/** Nobody can run it, now or later. */
const PROMPTLESS: End = {
  reason: 'error',
  error: { code: 'internal', message: 'the prompt of this generation cannot be read' },
};

/**
 * Takes a job's generation by compare-and-set; a job whose generation is done, parked or taken by a
 * newer attempt is a stale repeat. May be repeated after an error: what was claimed already is found.
 * @throws BusUnavailableError
 */
export const claimJob = async (delivery: Delivery, context: ClaimContext): Promise<ClaimResult> => {
  const { bus } = context;
  const { org, session, generation } = delivery.job;
  const key: GenerationKey = { org, session, generation };
  const isEnded = (version: GenerationVersion, end: End): Promise<boolean> =>
    endGeneration(bus, key, version, { end, now: context.clock.now() });
  for (;;) {
    const stored = await bus.sessions.item(key, generation);
    if (stored?.item.kind !== 'generation') return { type: 'gone' };
    const found = await standingOf(stored.item, delivery, context);
    if (!('item' in found)) return found;
    const end = poisonEnd(found.item);
    if (end !== undefined) {
      if (await isEnded({ rev: stored.rev, item: stored.item }, end)) return { type: 'gone' };
      continue;
    }
    if (!context.admits(found.item)) return { type: 'later' };
    const { item } = found;
    const rev = found.type === 'ours' ? stored.rev : await bus.sessions.updateItem(key, item, stored.rev);
    if (rev === undefined) continue;
    const claimed = await readClaimed(bus, key, item);
    if (claimed === 'newer') return { type: 'leave' };
    if (claimed !== 'no_prompt') return { type: 'claimed', claimed };
    if (await isEnded({ rev, item }, PROMPTLESS)) return { type: 'gone' };
  }
};

/** What a delivered job means for its generation; `take` carries the item to be written. */
type Standing =
  { readonly type: 'gone' | 'leave' } | { readonly type: 'ours' | 'take'; readonly item: StoredGeneration };

const standingOf = async (
  item: StoredGeneration,
  { job, redelivered }: Delivery,
  context: ClaimContext,
): Promise<Standing> => {
  const { worker, isRunning } = context;
  if (item.status === 'done' || item.status === 'parked') return { type: 'gone' };
  if (item.status === 'queued') {
    const next = item.attempt < job.attempt ? claim(item, worker) : undefined;
    return next === undefined ? { type: 'gone' } : { type: 'take', item: next };
  }
  // Claimed by a try whose next step failed.
  if (item.worker === worker && item.attempt === job.attempt && !redelivered && !isRunning(job))
    return { type: 'ours', item };
  const free = redelivered ? await adoptable(item, context, job) : undefined;
  const next = free === undefined ? undefined : claim(free, worker);
  if (next !== undefined) return { type: 'take', item: next };
  return { type: item.attempt > job.attempt ? 'gone' : 'leave' };
};

/** A redelivered job whose worker is gone: its generation may be taken over. */
const adoptable = async (
  item: StoredGeneration,
  { bus, worker: self, isRunning }: ClaimContext,
  key: GenerationKey,
): Promise<StoredGeneration | undefined> => {
  if (isRunning(key)) return undefined;
  const live = await bus.workers.list();
  const isHeld = live.some(({ worker }) => worker === item.worker && worker !== self);
  return isHeld ? undefined : adopt(item, await seqOfLog(bus, key));
};

/**
 * Reads what a claimed generation's log says already.
 * @returns `newer` when a newer attempt has written, `no_prompt` when there is none that can be read
 */
export const readClaimed = async (
  bus: Bus,
  key: GenerationKey,
  item: StoredGeneration,
): Promise<Claimed | 'newer' | 'no_prompt'> => {
  const [entry, head] = await Promise.all([bus.sessions.prompt(key), bus.tokens.head(key)]);
  if ((head?.record.attempt ?? 0) > item.attempt) return 'newer';
  if (entry === undefined) return 'no_prompt';
  // Nobody has written before a first attempt.
  const isObscured = item.attempt > 1 && (await bus.tokens.isObscured(key, head));
  const prefix = head === undefined ? [] : await readTokens(bus, key, head);
  return { key, entry, item, head, prefix, isObscured };
};

/** Every stored token of the head's epoch. */
const readTokens = async (bus: Bus, key: GenerationKey, head: StoredRecord): Promise<Token[] | undefined> => {
  const chain = await readChain(bus.tokens, key, head, 0);
  return chain.complete ? tokensOf(chain) : undefined;
};

/** Whether this attempt continues the text that is stored, rather than starting a new epoch. */
export const canGoOn = (
  { head, prefix, isObscured }: Claimed,
  engine: Pick<Engine, 'canContinue'>,
): boolean => {
  if (head?.record.end !== undefined) return true;
  if (isObscured) return false;
  return head === undefined || (prefix !== undefined && (prefix.length === 0 || engine.canContinue(prefix)));
};

/**
 * The epoch of a text that starts over. Each attempt begins one at most, so the earlier ones, hidden or not, have used
 * none above `attempt - 2`.
 */
export const nextEpoch = ({ head, item, isObscured }: Claimed): number =>
  Math.max((head?.record.epoch ?? 0) + 1, isObscured ? item.attempt - 1 : 0);
