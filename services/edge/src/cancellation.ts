import type { Bus, StoredItem } from '@sluice/bus';
import { ChunkWriter, finish, transcriptOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { SluiceError } from '@sluice/protocol';
import type { End, GenerationKey } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import type { Grant } from './auth/grant.ts';
import { allows } from './auth/grant.ts';
import { readChain } from './generation-log.ts';

/** A claimed run listens for control a moment after its claim; asking again finds it, ms. */
const RETRY_MS = 50;
const MAX_TRIES = 40;

/**
 * Stops a generation, in whatever state it is. Resolves when the engine was told, or when the item
 * says cancelled because nothing runs. Idempotent: cancelling what is done does nothing.
 * @throws SluiceError not_found, forbidden, unavailable; BusUnavailableError
 */
export const cancelGeneration = async (
  key: GenerationKey,
  grant: Grant,
  { bus, clock }: { readonly bus: Bus; readonly clock: Clock },
): Promise<void> => {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const stored = await bus.sessions.item(key, key.generation);
    if (stored?.item.kind !== 'generation') throw new SluiceError('not_found', 'no such generation');
    const { item } = stored;
    if (item.user !== grant.user && !allows(grant, 'cancel'))
      throw new SluiceError('forbidden', 'only the author or scope `cancel` may cancel this generation');
    if (item.status === 'done') return;
    if (item.status === 'running') {
      if ((await bus.control.cancel(key, grant.user)) !== undefined) return;
      if (await isHeld(item, bus)) {
        await new Promise<void>((resolve) => clock.setTimeout(resolve, RETRY_MS));
        continue;
      }
    }
    if (await endHere({ ...stored, item }, key, bus, clock.now())) return;
  }
  throw new SluiceError('unavailable', 'the worker of this generation does not answer', {
    retryAfterMs: 1_000,
  });
};

const isHeld = async ({ worker }: StoredGeneration, bus: Bus): Promise<boolean> => {
  const live = await bus.workers.list();
  return live.some((entry) => entry.worker === worker);
};

/**
 * Nothing runs: the item becomes cancelled with the text so far. Where a worker had it before, an end in
 * the log comes first, under the next attempt: that fences a worker that only seems dead. An end that
 * the log has already, since its worker died before it told the item, stands.
 * @returns whether it was written; false: the generation moved meanwhile, look again
 */
const endHere = async (
  stored: StoredItem & { readonly item: StoredGeneration },
  key: GenerationKey,
  bus: Bus,
  now: number,
): Promise<boolean> => {
  const { rev, item } = stored;
  const head = await bus.tokens.head(key);
  const known = head?.record.end;
  const end: End = known ?? { reason: 'cancelled', receipt: { tokensAfterCancel: 0, msToAbort: 0 } };
  if (known === undefined && item.attempt > 0) {
    const writer = new ChunkWriter(item.attempt + 1, head?.record.epoch ?? 0, head);
    const outcome = await bus.tokens.append(key, writer.draft([], now, end).draft);
    if (outcome.type !== 'stored') return false;
  }
  const chain = head === undefined ? { records: [] } : await readChain(bus.tokens, key, head.record, 0);
  const tokens = chain.records.flatMap((record) => record.tokens);
  const at = { epoch: head?.record.epoch ?? item.epoch, seq: tokens.length };
  const next = finish(item, end, at, transcriptOf(tokens));
  return next !== undefined && (await bus.sessions.updateItem(key, next, rev)) !== undefined;
};
