import { BusUnavailableError, readChain, tokensOf } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { ChunkWriter, finish, promptTokensOf, transcriptOf, wholeUsage } from '@sluice/core';
import type { StoredGeneration, Transcript } from '@sluice/core';
import { headOf } from '@sluice/protocol';
import type { End, GenerationKey, Position, StoredRecord } from '@sluice/protocol';
import { AGAIN, changeItem } from './item-change.ts';
import type { LifeContext } from './item-change.ts';
import { leftBehind } from './ledger.ts';

/**
 * Ends a generation that nobody runs, keeping the text so far.
 * @returns the item as ended; undefined: there is none, or it was done already
 * @throws BusUnavailableError
 */
export const endGeneration = (
  context: LifeContext,
  key: GenerationKey,
  end: End,
): Promise<StoredGeneration | undefined> =>
  changeItem(context.bus, key, (item) => endedItem(context, key, item, end));

/**
 * The item of a generation that ends without a worker. Where one had it before, an end in the log comes first, under the
 * next attempt: that fences a worker that only seems dead. An end that the log has already, since its worker died before
 * it told the item, stands.
 */
export const endedItem = async (
  { bus, clock }: LifeContext,
  key: GenerationKey,
  item: StoredGeneration,
  end: End,
): Promise<StoredGeneration | typeof AGAIN | undefined> => {
  if (item.status === 'done') return undefined;
  const head = await bus.tokens.head(key);
  const known = head?.record.end;
  const seq = head === undefined ? item.seq : headOf(head.record);
  const told = known ?? {
    ...end,
    usage: wholeUsage(end.usage, {
      promptTokens: await promptTokens(bus, key, item, end),
      completionTokens: seq,
    }),
  };
  if (known === undefined && item.attempt > 0) {
    const writer = new ChunkWriter(item.attempt + 1, head?.record.epoch ?? 0, head);
    const outcome = await bus.tokens.append(key, writer.draft([], clock.now(), told).draft);
    if (outcome.type === 'unknown') throw new BusUnavailableError(`end of a log: ${outcome.detail}`);
    // A full log takes no end: then the item alone says how it ended, as it does for a worker.
    if (outcome.type !== 'stored' && outcome.type !== 'limit') return AGAIN;
  }
  const { at, transcript } = await contentOf(bus, key, item, head);
  const ended = finish(leftBehind(item, head), told, at, transcript);
  return ended && { ...ended, endedAt: clock.now() };
};

/**
 * Of a prompt that a worker had. Only what it says itself: how much of the session an engine was told besides, its worker
 * knew.
 */
const promptTokens = async (
  bus: Bus,
  key: GenerationKey,
  { attempt }: StoredGeneration,
  { usage }: End,
): Promise<number> => {
  if (attempt === 0 || usage?.prompt_tokens !== undefined) return 0;
  const body = (await bus.sessions.prompt(key))?.body;
  return promptTokensOf(body?.messages ?? [{ role: 'user', content: body?.input ?? '' }]);
};

/** All that the log says; no transcript where it no longer has all of that: a parked item has kept it. */
const contentOf = async (
  bus: Bus,
  key: GenerationKey,
  { epoch, seq, text, bodies }: StoredGeneration,
  head: StoredRecord | undefined,
): Promise<{ readonly at: Position; readonly transcript?: Transcript }> => {
  const chain = head === undefined ? undefined : await readChain(bus.tokens, key, head, 0);
  if (head === undefined || chain?.complete !== true) {
    const isKept = text !== undefined || bodies?.answer !== undefined;
    return { at: { epoch, seq }, ...(isKept ? {} : { transcript: { text: '' } }) };
  }
  const at = { epoch: head.record.epoch, seq: headOf(head.record) };
  return { at, transcript: transcriptOf(tokensOf(chain)) };
};
