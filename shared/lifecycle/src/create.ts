import type { Bus, GenerationVersion, ItemBody, PromptEntry } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { parseItemId, SluiceError } from '@sluice/protocol';
import type { GenerationKey, PromptBody, SessionKey } from '@sluice/protocol';
import { queueJob } from './job.ts';
import { demandOf } from './room/item-size.ts';
import { markIfDeleted, noteActivity } from './erasure/session-card.ts';
import type { KnownCard } from './erasure/session-card.ts';
import { countItem } from './room/reservation.ts';
import type { Reservation } from './room/reservation.ts';
import type { Room } from './room/room.ts';

/** `stored`: the item as this call created it, where it did. */
export type Created = { readonly created: boolean; readonly stored?: GenerationVersion | undefined };

/** What was looked at beside the reads of whoever creates. */
export type Looks = {
  /** of the session's room */
  readonly room: Promise<void>;
  /** see {@link noteActivity} */
  readonly card?: KnownCard | undefined;
};

export type CreateContext = { readonly bus: Bus; readonly room: Room };

/**
 * Stores a prompt, its item and its job, in this order, after room was taken for them; what was stored under the
 * generation's id first decides. It is listed as open beside the prompt, so whatever a crash leaves behind an item is
 * found by a sweep.
 * @returns whether this call created the generation, and its item
 * @throws SluiceError conflict, quota_exceeded, rate_limited; BusUnavailableError, BusRefusedError
 */
export const createGeneration = (
  context: CreateContext,
  key: GenerationKey,
  entry: PromptEntry,
  looks?: Looks,
): Promise<Created> =>
  context.room.creations.run(pathOf(key, key.generation), async (isAfterAnother) => {
    const known = isAfterAnother ? await context.bus.sessions.prompt(key) : undefined;
    if (known === undefined) return storeGeneration(context, key, entry, looks);
    await repeatGeneration(context.bus, key, known, entry.hash);
    return { created: false };
  });

const pathOf = ({ org, session }: SessionKey, id: string): string => `${org}.${session}.${id}`;

const storeGeneration = async (
  { bus, room }: CreateContext,
  key: GenerationKey,
  entry: PromptEntry,
  looks?: Looks,
): Promise<Created> => {
  const item = itemOf(key, entry);
  const stored = (): Promise<PromptEntry | undefined> => bus.sessions.prompt(key);
  const reservation = await room.reserveUnless(stored, () => room.reserve(key, demandOf(item), looks?.room));
  // At once: neither needs the other, and a prompt that was there already leaves an entry that a sweep takes off.
  const storing = (): Promise<readonly [{ created: boolean; entry: PromptEntry | undefined }, void]> =>
    Promise.all([bus.sessions.createPrompt(key, entry), bus.open.add(key)]);
  const [outcome] = (await reservation?.holdFor(storing())) ?? [];
  if (reservation !== undefined && outcome?.created === true) {
    const rev = await createItem(bus, key, item, reservation);
    noteBeside(bus, key, entry.createdAt, looks?.card);
    return rev === undefined ? { created: false } : { created: true, stored: { rev, item } };
  }
  await reservation?.giveBack();
  await repeatGeneration(bus, key, outcome === undefined ? await stored() : outcome.entry, entry.hash);
  return { created: false };
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
  const known = (await bus.sessions.item(key, key.generation))?.item;
  if (stored?.hash !== hash) {
    // One that cannot be read is another one too. Or it is of a repeat that was refused, after the first had expired.
    if (known?.kind !== 'generation' || known.promptHash !== hash) throw conflict();
    return;
  }
  if (known !== undefined) return queueItem(bus, key, known, hash);
  await bus.open.add(key);
  await completeCreation(bus, key, stored);
  noteBeside(bus, key, stored.createdAt);
};

/** Nobody waits for this. What fails is found by the next activity, or by whoever opens the session. */
const noteBeside = (bus: Bus, key: SessionKey, at: number, seen?: KnownCard): void =>
  void noteActivity(bus, key, at, seen).catch(() => undefined);

/**
 * Creates the item of a prompt that is stored and listed as open, unless it is there, and its job while it is queued.
 * @throws SluiceError conflict; BusUnavailableError
 */
export const completeCreation = async (bus: Bus, key: GenerationKey, entry: PromptEntry): Promise<void> => {
  const item = itemOf(key, entry);
  // Admitted before: its first try may have taken room and died with it, and a recount will find that.
  const reservation = await countItem(bus, key, demandOf(item));
  await createItem(bus, key, item, reservation);
  await markIfDeleted(bus, key);
};

const conflict = (): SluiceError =>
  new SluiceError('conflict', 'this generation id was used before with another body');

/**
 * Stores a chat line, after room was taken for it.
 * @returns whether this call stored it; false: its id is taken
 * @throws SluiceError quota_exceeded, rate_limited; BusUnavailableError, BusRefusedError
 */
export const createMessage = (
  context: CreateContext,
  key: SessionKey,
  item: Message,
  looks?: Looks,
): Promise<boolean> =>
  context.room.creations.run(pathOf(key, item.id), async (isAfterAnother) => {
    const known =
      isAfterAnother && (await context.bus.sessions.item(key, parseItemId(item.id))) !== undefined;
    return !known && storeMessage(context, key, item, looks);
  });

type Message = ItemBody & { readonly kind: 'message' };

const storeMessage = async (
  { bus, room }: CreateContext,
  key: SessionKey,
  item: Message,
  looks?: Looks,
): Promise<boolean> => {
  const stored = (): Promise<unknown> => bus.sessions.item(key, parseItemId(item.id));
  const reservation = await room.reserveUnless(stored, () => room.reserve(key, demandOf(item), looks?.room));
  const rev = await reservation?.holdFor(bus.sessions.createItem(key, item));
  if (rev === undefined) await reservation?.giveBack();
  else noteBeside(bus, key, item.createdAt, looks?.card);
  return rev !== undefined;
};

/** Creates and queues the item, or queues what was created before. @returns its rev; undefined: it was there before */
const createItem = async (
  bus: Bus,
  key: GenerationKey,
  item: StoredGeneration,
  reservation: Reservation,
): Promise<number | undefined> => {
  const rev = await reservation.holdFor(bus.sessions.createItem(key, item));
  if (rev === undefined) await reservation.giveBack();
  const known = rev === undefined ? (await bus.sessions.item(key, key.generation))?.item : item;
  await queueItem(bus, key, known ?? item, item.promptHash);
  return rev;
};

/** Makes sure that a job asks for the item, while it is queued. It says what was asked, also once its prompt has expired. */
const queueItem = async (
  bus: Bus,
  key: GenerationKey,
  item: ItemBody,
  hash: string | undefined,
): Promise<void> => {
  if (item.kind === 'message') throw new SluiceError('conflict', 'a message of the session has this id');
  if (item.promptHash !== undefined && item.promptHash !== hash) throw conflict();
  if (item.status === 'queued') await queueJob(bus, key, item);
};

const itemOf = (key: GenerationKey, entry: PromptEntry): StoredGeneration => {
  const { user, createdAt, body } = entry;
  return {
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
    promptHash: entry.hash,
    promptBytes: Buffer.byteLength(JSON.stringify(entry)),
    ...(entry.traceparent === undefined ? {} : { traceparent: entry.traceparent }),
  };
};

const MAX_INPUT_SHOWN = 4_000;

/**
 * What the person typed: the input, or the text of the last user message. Nothing where a tool's result is what came last:
 * the question was that of an earlier generation.
 */
const shownInput = ({ input, messages }: PromptBody): string => {
  if (input !== undefined) return input;
  if (messages?.at(-1)?.role === 'tool') return '';
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
