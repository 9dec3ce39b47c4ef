import { BusRefusedError } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { CANCELLED, markCancelled } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { SluiceError } from '@sluice/protocol';
import type { GenerationKey } from '@sluice/protocol';
import { endedItem } from './end.ts';
import { changeItem } from './item-change.ts';
import type { LifeContext } from './item-change.ts';

/** A claimed run listens for control a moment after its claim; asking again finds it, ms. */
const RETRY_MS = 50;
const MAX_TRIES = 40;

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
 * nothing runs. Idempotent: cancelling what is done does nothing. From the first try on the item says that it shall end:
 * a worker that dies after its answer is followed by none.
 * @throws SluiceError not_found, unavailable, and what `authorize` throws; BusUnavailableError
 */
export const cancelGeneration = async (
  context: CancelContext,
  key: GenerationKey,
  request: CancelRequest,
): Promise<void> => {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const item = await endOrMark(context, key, request);
    if (item === undefined) throw new SluiceError('not_found', 'no such generation');
    if (item.status === 'done' || (await isStopping(context, key, item, request))) return;
    await new Promise<void>((resolve) => void context.clock.setTimeout(resolve, RETRY_MS));
  }
  throw new SluiceError('unavailable', 'the worker of this generation does not answer', {
    retryAfterMs: 1_000,
  });
};

/** Ends what nobody runs, and marks what somebody does. @returns the item then; undefined: there is none */
const endOrMark = async (
  context: CancelContext,
  key: GenerationKey,
  { authorize }: CancelRequest,
): Promise<StoredGeneration | undefined> => {
  const { bus, clock } = context;
  let running: StoredGeneration | undefined;
  try {
    return await changeItem(bus, key, (item) => {
      authorize(item);
      running = item.status === 'running' ? item : undefined;
      if (item.status === 'done') return item;
      return running ? markCancelled(running, clock.now()) : endedItem(context, key, item, CANCELLED);
    });
  } catch (error) {
    // No room for the mark: the engine is told all the same, and the end in its log is what holds then.
    if (error instanceof BusRefusedError && running !== undefined) return running;
    throw error;
  }
};

/** Whether the worker of a run has been told, or the run is ended because there is none. */
const isStopping = async (
  context: CancelContext,
  key: GenerationKey,
  item: StoredGeneration,
  { user }: CancelRequest,
): Promise<boolean> => {
  const { bus } = context;
  const reply = await bus.control.cancel(key, user);
  if (reply !== undefined) return reply.type === 'cancelling';
  if (await isWorkerAlive(bus, item)) return false;
  const ended = await changeItem(bus, key, (found) =>
    found.status === 'running' && found.attempt === item.attempt
      ? endedItem(context, key, found, CANCELLED)
      : undefined,
  );
  return ended !== undefined;
};

const isWorkerAlive = async (bus: Bus, { worker }: StoredGeneration): Promise<boolean> => {
  const live = await bus.workers.list();
  return live.some((entry) => entry.worker === worker);
};
