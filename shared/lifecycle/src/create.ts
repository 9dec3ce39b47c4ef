import type { Bus, PromptEntry } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { SluiceError } from '@sluice/protocol';
import type { GenerationKey, PromptBody } from '@sluice/protocol';
import { queueJob } from './job.ts';

/**
 * Stores a prompt, its item and its job, in this order; what was stored under the generation's id first decides. It is
 * listed as open beside the prompt, so whatever a crash leaves behind an item is found by a sweep.
 * @returns whether this call stored the prompt
 * @throws SluiceError conflict; BusUnavailableError
 */
export const createGeneration = async (
  bus: Bus,
  key: GenerationKey,
  entry: PromptEntry,
): Promise<boolean> => {
  // At once: neither needs the other, and a prompt that was there already leaves an entry that a sweep takes off.
  const [{ created, entry: stored }] = await Promise.all([
    bus.sessions.createPrompt(key, entry),
    bus.open.add(key),
  ]);
  if (created) await completeCreation(bus, key, entry);
  else await repeatGeneration(bus, key, stored, entry.hash);
  return created;
};

/**
 * A prompt that was stored before, sent again: completes what the first try may have left out.
 * @throws SluiceError conflict; BusUnavailableError
 */
export const repeatGeneration = async (
  bus: Bus,
  key: GenerationKey,
  stored: PromptEntry | undefined,
  hash: string,
): Promise<void> => {
  // One that cannot be read is another one too.
  if (stored?.hash !== hash)
    throw new SluiceError('conflict', 'this generation id was used before with another body');
  const known = (await bus.sessions.item(key, key.generation))?.item;
  if (known?.kind === 'generation') {
    if (known.status === 'queued') await queueJob(bus, key, known);
    return;
  }
  await bus.open.add(key);
  await completeCreation(bus, key, stored);
};

/**
 * Makes sure that a generation that is listed as open has its item and, while that is queued, its job.
 * @returns the item; undefined where something that cannot be read has its id
 * @throws SluiceError conflict; BusUnavailableError
 */
export const completeCreation = async (
  bus: Bus,
  key: GenerationKey,
  entry: PromptEntry,
): Promise<StoredGeneration | undefined> => {
  const first = itemOf(key, entry);
  const rev = await bus.sessions.createItem(key, first);
  const item = rev === undefined ? (await bus.sessions.item(key, key.generation))?.item : first;
  if (item?.kind === 'message') throw new SluiceError('conflict', 'a message of the session has this id');
  if (item?.status === 'queued') await queueJob(bus, key, item);
  return item;
};

const itemOf = (key: GenerationKey, { user, createdAt, body }: PromptEntry): StoredGeneration => ({
  id: key.generation,
  kind: 'generation',
  user,
  createdAt,
  model: body.model,
  input: shownInput(body),
  governor: body.governor ?? 'fastest',
  status: 'queued',
  attempt: 0,
  epoch: 0,
  seq: 0,
});

const MAX_INPUT_SHOWN = 4_000;

/** What the person typed: the input, or the text of the last user message. */
const shownInput = ({ input, messages }: PromptBody): string => {
  if (input !== undefined) return input;
  const content = messages?.findLast(({ role }) => role === 'user')?.content;
  const text = typeof content === 'string' ? content : textParts(content);
  return text.slice(0, MAX_INPUT_SHOWN);
};

const textParts = (content: unknown): string =>
  Array.isArray(content)
    ? content
        .map((part: unknown) => (part as { text?: unknown } | null)?.text)
        .filter((text) => typeof text === 'string')
        .join('')
    : '';
