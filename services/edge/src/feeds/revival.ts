import { endGeneration } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { ABANDONED_AFTER_MS, requeue } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';

/**
 * A viewer is back at a parked generation: queues it again, so that a worker continues from the same
 * token, or ends it as `abandoned` when it was parked for too long. Several edges may do this at once:
 * one compare-and-set wins, and a job more is skipped.
 * @throws BusUnavailableError
 */
export const revive = async (key: GenerationKey, bus: Bus, now: number): Promise<void> => {
  const stored = await bus.sessions.item(key, key.generation);
  if (stored?.item.kind !== 'generation' || stored.item.status !== 'parked') return;
  const { rev, item } = stored;
  if (now - (item.parkedAt ?? now) > ABANDONED_AFTER_MS) {
    await endGeneration(bus, key, { rev, item }, { end: { reason: 'abandoned' }, now });
    return;
  }
  const next = requeue(item);
  if (next === undefined || (await bus.sessions.updateItem(key, next, rev)) === undefined) return;
  await bus.jobs.publish({ ...key, model: next.model, attempt: next.attempt + 1 });
};
