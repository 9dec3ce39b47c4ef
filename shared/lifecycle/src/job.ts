import { ANY_QUEUE } from '@sluice/bus';
import type { Bus, Delivery } from '@sluice/bus';
import { partyOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';

/**
 * The one place where a job is published: it asks for the next attempt at a queued generation. Idempotent for a
 * while, and a job too many is skipped at the claim.
 * @param queue default where placement puts the session; `any`: whoever is free, at once
 * @throws BusUnavailableError
 */
export const queueJob = async (
  bus: Bus,
  key: GenerationKey,
  { model, attempt, user: name }: StoredGeneration,
  queue?: typeof ANY_QUEUE,
): Promise<void> => {
  const { org, session, generation } = key;
  const { user } = partyOf(org, name);
  await bus.jobs.publish({ org, session, generation, model, attempt: attempt + 1, user }, queue);
};

/**
 * Passes on a job that cannot run here.
 * @param queue of a worker that has a free slot; default that of whoever is free
 * @throws BusUnavailableError
 */
export const passOn = async (bus: Bus, delivery: Delivery, queue: string = ANY_QUEUE): Promise<void> => {
  // In this order: a job must never be in no queue.
  await bus.jobs.publish(delivery.job, queue);
  await delivery.ack();
};
