import type { Bus } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { SluiceError } from '@sluice/protocol';
import type { End, GenerationKey } from '@sluice/protocol';
import { endedItem } from './end.ts';
import { changeItem } from './item-change.ts';
import type { LifeContext } from './item-change.ts';

/** A claimed run listens for control a moment after its claim; asking again finds it, ms. */
const RETRY_MS = 50;
const MAX_TRIES = 40;

/** Nothing runs, so nothing has to stop. */
const CANCELLED: End = { reason: 'cancelled', receipt: { tokensAfterCancel: 0, msToAbort: 0 } };

export type CancelRequest = {
  /** who asks; the worker logs it */
  readonly user: string;
  /** throws SluiceError where this item may not be cancelled */
  readonly authorize: (item: StoredGeneration) => void;
};

export type CancelContext = LifeContext & {
  readonly clock: { setTimeout(fn: () => void, ms: number): unknown };
};

/**
 * Stops a generation, in whatever state it is. Resolves when the engine was told, or when the item says cancelled because
 * nothing runs. Idempotent: cancelling what is done does nothing.
 * @throws SluiceError not_found, unavailable, and what `authorize` throws; BusUnavailableError
 */
export const cancelGeneration = async (
  context: CancelContext,
  key: GenerationKey,
  { user, authorize }: CancelRequest,
): Promise<void> => {
  const { bus, clock } = context;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    let found: StoredGeneration | undefined;
    let isHeld = false;
    await changeItem(bus, key, async (item) => {
      found = item;
      authorize(item);
      if (item.status === 'done') return undefined;
      if (item.status === 'running') {
        const reply = await bus.control.cancel(key, user);
        if (reply?.type === 'cancelling') return undefined;
        isHeld = reply !== undefined || (await isWorkerAlive(bus, item));
        if (isHeld) return undefined;
      }
      return endedItem(context, key, item, CANCELLED);
    });
    if (found === undefined) throw new SluiceError('not_found', 'no such generation');
    if (!isHeld) return;
    await new Promise<void>((resolve) => void clock.setTimeout(resolve, RETRY_MS));
  }
  throw new SluiceError('unavailable', 'the worker of this generation does not answer', {
    retryAfterMs: 1_000,
  });
};

const isWorkerAlive = async (bus: Bus, { worker }: StoredGeneration): Promise<boolean> => {
  const live = await bus.workers.list();
  return live.some((entry) => entry.worker === worker);
};
