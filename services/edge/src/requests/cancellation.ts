import { endGeneration } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { SluiceError } from '@sluice/protocol';
import type { End, GenerationKey } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import type { Grant } from '../auth/grant.ts';
import { allows } from '../auth/grant.ts';

/** A claimed run listens for control a moment after its claim; asking again finds it, ms. */
const RETRY_MS = 50;
const MAX_TRIES = 40;

/** Nothing runs, so nothing has to stop. */
const CANCELLED: End = { reason: 'cancelled', receipt: { tokensAfterCancel: 0, msToAbort: 0 } };

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
    if (await endGeneration(bus, key, { rev: stored.rev, item }, { end: CANCELLED, now: clock.now() }))
      return;
  }
  throw new SluiceError('unavailable', 'the worker of this generation does not answer', {
    retryAfterMs: 1_000,
  });
};

const isHeld = async ({ worker }: StoredGeneration, bus: Bus): Promise<boolean> => {
  const live = await bus.workers.list();
  return live.some((entry) => entry.worker === worker);
};
