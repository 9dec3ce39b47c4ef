import type { Bus } from '@sluice/bus';
import { slotLeft, usageRecordOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import type { GenerationKey, StoredRecord } from '@sluice/protocol';

/**
 * Writes what a generation cost, once it is done, and takes it off the open ones. In this order: one that is listed still
 * gets its record from a sweep, whatever becomes of this. May be repeated by anybody.
 * @param entry of the list, where only that one is to be taken off
 * @throws BusUnavailableError, BusRefusedError
 */
export const closeAccount = async (
  bus: Bus,
  key: GenerationKey,
  item: StoredGeneration,
  entry?: number,
): Promise<void> => {
  await bus.usage.append(key, usageRecordOf(item));
  await bus.open.remove(key, entry);
};

/** The item after its worker's death: it had its slot for as long as its log says. @param head of the log by then */
export const leftBehind = (item: StoredGeneration, head: StoredRecord | undefined): StoredGeneration =>
  slotLeft(item, head?.record.attempt === item.attempt ? head.record.at : undefined);
