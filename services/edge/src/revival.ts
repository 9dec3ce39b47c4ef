import type { Bus } from '@sluice/bus';
import { requeue } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';

/**
 * A viewer is back at a parked generation: queues it again, so that a worker continues from the same
 * token. Several edges may do this at once: one compare-and-set wins, and a job more is skipped.
 * @throws BusUnavailableError
 */
export const revive = async (key: GenerationKey, bus: Bus): Promise<void> => {
  const stored = await bus.sessions.item(key, key.generation);
  if (stored?.item.kind !== 'generation' || stored.item.status !== 'parked') return;
  const next = requeue(stored.item);
  if (next === undefined) return;
  if ((await bus.sessions.updateItem(key, next, stored.rev)) === undefined) return;
  await bus.jobs.publish({ ...key, model: next.model, attempt: next.attempt + 1 });
};
