import { readChain, tokensOf } from '@sluice/bus';
import type { Bus, Delivery, PromptEntry, RunningGeneration } from '@sluice/bus';
import { adopt, claim, dueEnd, slotTaken } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { headOf } from '@sluice/protocol';
import type { End, GenerationKey, StoredRecord, Token } from '@sluice/protocol';
import { endedItem, endGeneration } from './end.ts';
import { changeItem } from './item-change.ts';
import type { LifeContext } from './item-change.ts';
import { leftBehind } from './ledger.ts';

/** A generation that a worker owns, with what its log says already. */
export type Claimed = {
  readonly key: GenerationKey;
  readonly entry: PromptEntry;
  readonly item: StoredGeneration;
  /** newest stored record; undefined: nothing was stored yet */
  readonly head: StoredRecord | undefined;
  /** all stored tokens of the head's epoch, oldest first; undefined when retention has cut some off */
  readonly prefix: readonly Token[] | undefined;
  /** when the oldest of them was stored, ms since the Unix epoch; undefined: there is none */
  readonly prefixAt: number | undefined;
  /** a foreign message may have replaced records of earlier attempts that viewers have seen */
  readonly isObscured: boolean;
};

/**
 * `gone`: done, cancelled or not wanted any more, so the job is finished. `leave`: somebody else has it. `later`: not
 * here now, so the job goes back.
 */
export type ClaimResult =
  { readonly type: 'claimed'; readonly claimed: Claimed } | { readonly type: 'gone' | 'leave' | 'later' };

export type ClaimContext = LifeContext & {
  readonly worker: string;
  /** whether this worker runs the generation itself right now */
  readonly isRunning: (key: GenerationKey) => boolean;
  /** whether this worker may run it beside what it runs now */
  readonly admits: (item: StoredGeneration) => boolean;
  /** what is heard of another worker's run */
  readonly standingOf: (worker: string, run: RunningGeneration) => Standing;
};

/** `unsure`: nobody has listened for long enough to tell. */
export type Standing = 'alive' | 'dead' | 'unsure';

/** Nobody can run it, now or later. */
const PROMPTLESS: End = {
  reason: 'error',
  error: { code: 'internal', message: 'the prompt of this generation cannot be read' },
  usage: { prompt_tokens: 0 },
};

/**
 * Takes a job's generation by compare-and-set; a job whose generation is done, parked or taken by a newer attempt is a
 * stale repeat. May be repeated after an error: what was claimed already is found.
 * @throws BusUnavailableError
 */
export const claimGeneration = async (delivery: Delivery, context: ClaimContext): Promise<ClaimResult> => {
  const { bus, clock } = context;
  const { org, session, generation } = delivery.job;
  const key: GenerationKey = { org, session, generation };
  let refusal: Refusal = { type: 'gone' };
  const item = await changeItem(bus, key, async (found) => {
    const next = await claimable(found, delivery, context);
    if (!('attempt' in next)) {
      refusal = next;
      return undefined;
    }
    const end = dueEnd(next, clock.now());
    if (end !== undefined) return endedItem(context, key, found, end);
    if (context.admits(next)) return next === found ? found : slotTaken(next, clock.now());
    refusal = { type: 'later' };
    return undefined;
  });
  if (item === undefined) return refusal;
  if (item.status === 'done') return { type: 'gone' };
  const claimed = await readClaimed(bus, key, item);
  if (claimed === 'newer') return { type: 'leave' };
  if (claimed !== 'no_prompt') return { type: 'claimed', claimed };
  await endGeneration(context, key, PROMPTLESS);
  return { type: 'gone' };
};

type Refusal = Exclude<ClaimResult, { readonly type: 'claimed' }>;

/** @returns the item as claimed, or as it is where this worker's claim is written already */
const claimable = async (
  item: StoredGeneration,
  { job, redelivered }: Delivery,
  context: ClaimContext,
): Promise<StoredGeneration | Refusal> => {
  const { worker, isRunning } = context;
  if (item.status === 'done' || item.status === 'parked') return { type: 'gone' };
  if (item.status === 'queued')
    return (item.attempt < job.attempt && claim(item, worker)) || { type: 'gone' };
  // Claimed by a try whose next step failed.
  if (item.worker === worker && item.attempt === job.attempt && !redelivered && !isRunning(job)) return item;
  const free = redelivered ? await adoptable(item, context, job) : undefined;
  if (free === 'unsure') return { type: 'later' };
  const next = free === undefined ? undefined : claim(free, worker);
  return next ?? { type: item.attempt > job.attempt ? 'gone' : 'leave' };
};

/**
 * A redelivered job whose worker is gone: its generation may be taken over. The directory alone does not tell: while NATS is
 * away for longer than its entries last, it forgets everybody, and jobs come again.
 */
const adoptable = async (
  item: StoredGeneration,
  { bus, worker: self, isRunning, standingOf }: ClaimContext,
  { org, session, generation }: GenerationKey,
): Promise<StoredGeneration | 'unsure' | undefined> => {
  const { worker = '', attempt } = item;
  const key = { org, session, generation };
  if (isRunning(key)) return undefined;
  if (worker !== self) {
    const live = await bus.workers.list();
    if (live.some((entry) => entry.worker === worker)) return undefined;
    const standing = standingOf(worker, { ...key, attempt });
    if (standing !== 'dead') return standing === 'alive' ? undefined : 'unsure';
  }
  const head = await bus.tokens.head(key);
  return adopt(leftBehind(item, head), seqOf(head));
};

/**
 * Reads what a claimed generation's log says already.
 * @returns `newer` when a newer attempt has written, `no_prompt` when there is none that can be read
 * @throws BusUnavailableError
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
  if (head === undefined) return { key, entry, item, head, prefix: [], prefixAt: undefined, isObscured };
  const chain = await readChain(bus.tokens, key, head, 0);
  const prefix = chain.complete ? tokensOf(chain) : undefined;
  return { key, entry, item, head, prefix, prefixAt: chain.records[0]?.at, isObscured };
};

/** How far the log has got, in its newest epoch. @throws BusUnavailableError */
export const seqOfLog = async (bus: Bus, key: GenerationKey): Promise<number> =>
  seqOf(await bus.tokens.head(key));

export const seqOf = (head: StoredRecord | undefined): number =>
  head === undefined ? 0 : headOf(head.record);
