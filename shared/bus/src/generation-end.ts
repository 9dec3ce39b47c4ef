import { ChunkWriter, finish, transcriptOf } from '@sluice/core';
import type { StoredGeneration, Transcript } from '@sluice/core';
import { headOf } from '@sluice/protocol';
import type { End, GenerationKey, Position, StoredRecord } from '@sluice/protocol';
import type { Bus } from './bus.ts';
import { readChain, tokensOf } from './generation-chain.ts';

/** A generation's item and the rev it was read at. */
export type GenerationVersion = { readonly rev: number; readonly item: StoredGeneration };

/**
 * Ends a generation that nobody runs, keeping the text so far. Where a worker had it before, an end in
 * the log comes first, under the next attempt: that fences a worker that only seems dead. An end that
 * the log has already, since its worker died before it told the item, stands.
 * @returns whether it was written; false: the generation moved meanwhile, look again
 * @throws BusUnavailableError
 */
export const endGeneration = async (
  bus: Bus,
  key: GenerationKey,
  { rev, item }: GenerationVersion,
  { end, now }: { readonly end: End; readonly now: number },
): Promise<boolean> => {
  const head = await bus.tokens.head(key);
  const known = head?.record.end;
  if (known === undefined && item.attempt > 0) {
    const writer = new ChunkWriter(item.attempt + 1, head?.record.epoch ?? 0, head);
    const outcome = await bus.tokens.append(key, writer.draft([], now, end).draft);
    if (outcome.type !== 'stored') return false;
  }
  const { at, transcript } = await contentOf(bus, key, item, head);
  const next = finish(item, known ?? end, at, transcript);
  return next !== undefined && (await bus.sessions.updateItem(key, next, rev)) !== undefined;
};

/** All that the log says, or what the parked item kept where the log no longer has all of it. */
const contentOf = async (
  bus: Bus,
  key: GenerationKey,
  item: StoredGeneration,
  head: StoredRecord | undefined,
): Promise<{ readonly at: Position; readonly transcript: Transcript }> => {
  const chain = head === undefined ? undefined : await readChain(bus.tokens, key, head, 0);
  if (head !== undefined && chain?.complete === true) {
    const at = { epoch: head.record.epoch, seq: headOf(head.record) };
    return { at, transcript: transcriptOf(tokensOf(chain)) };
  }
  const { epoch, seq, text = '', reasoning, toolCalls } = item;
  const kept = {
    text,
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(toolCalls === undefined ? {} : { toolCalls }),
  };
  return { at: { epoch, seq }, transcript: kept };
};
