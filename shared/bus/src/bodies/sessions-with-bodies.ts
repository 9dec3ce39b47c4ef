import type { StoredGeneration } from '@sluice/core';
import { parseItemId } from '@sluice/protocol';
import type { GenerationKey, MessageItem, SessionKey } from '@sluice/protocol';
import { BusRefusedError } from '../bus.ts';
import type { ItemBody, PromptEntry, SessionStore } from '../session-store.ts';
import type { BodyPlace, BodyStore } from './body-store.ts';
import { divideItem, dividePrompt, encodedBytes, MAX_ITEM_BYTES } from './division.ts';
import type { Division, Refs, StoredPrompt } from './division.ts';
import type { RecordStore } from './record-store.ts';

/** A store of items and prompts of any size, on one that keeps small ones. */
export const sessionsWithBodies = (records: RecordStore, bodies: BodyStore): SessionStore => {
  /** What goes into the message: its bodies are stored before it says so. */
  const small = async <Small>(place: BodyPlace, division: Division<Small>): Promise<Small> => {
    const refs: { -readonly [Part in keyof Refs]: Refs[Part] } = {};
    for (const body of division.bodies) refs[body.part] = await bodies.write(place, body);
    const record = division.record(refs);
    const bytes = encodedBytes(record);
    if (bytes <= MAX_ITEM_BYTES) return record;
    throw new BusRefusedError(
      'too_large',
      `expected an item of at most ${MAX_ITEM_BYTES} bytes, got ${bytes}`,
    );
  };
  const smallItem = (key: SessionKey, item: ItemBody): Promise<ItemBody> =>
    small(placeOf(key, item.id), divideItem(item));
  const wholePrompt = async (
    key: GenerationKey,
    stored: StoredPrompt | undefined,
  ): Promise<PromptEntry | undefined> =>
    stored?.bodies === undefined ? stored : readPrompt(bodies, placeOf(key, key.generation), stored);
  return {
    ...records,
    createPrompt: async (key, entry) => {
      const stored = await small(placeOf(key, key.generation), dividePrompt(entry));
      const { created, entry: known } = await records.createPrompt(key, stored);
      return { created, entry: created ? entry : await wholePrompt(key, known) };
    },
    prompt: async (key) => wholePrompt(key, await records.prompt(key)),
    createItem: async (key, item) => records.createItem(key, await smallItem(key, item)),
    updateItem: async (key, item, rev) => records.updateItem(key, await smallItem(key, item), rev),
    whole: (key, item) => readItem(bodies, placeOf(key, item.id), item),
  };
};

const placeOf = (key: SessionKey, id: string): BodyPlace => ({ key, item: parseItemId(id) });

const readPrompt = async (
  bodies: BodyStore,
  place: BodyPlace,
  { bodies: refs = {}, body, ...entry }: StoredPrompt,
): Promise<PromptEntry | undefined> => {
  const apart = refs.prompt && (await bodies.read(place, 'prompt', refs.prompt));
  const input = refs.input && (await bodies.read(place, 'input', refs.input));
  if ((refs.prompt && !apart) || (refs.input && !input)) return undefined;
  const { note = entry.note, ...asked } = apart ?? {};
  const whole = { ...body, ...asked, ...input };
  if ((whole.input === undefined) === (whole.messages === undefined)) return undefined;
  return { ...entry, body: whole, ...(note === undefined ? {} : { note }) };
};

const readItem = (bodies: BodyStore, place: BodyPlace, item: ItemBody): Promise<ItemBody | undefined> =>
  item.kind === 'message' ? readMessage(bodies, place, item) : readGeneration(bodies, place, item);

const readMessage = async (
  bodies: BodyStore,
  place: BodyPlace,
  item: Omit<MessageItem, 'rev'>,
): Promise<ItemBody | undefined> => {
  const { bodies: { message: ref } = {}, ...rest } = item;
  if (ref === undefined) return item;
  const fields = await bodies.read(place, 'message', ref);
  return fields && { ...rest, ...fields };
};

const readGeneration = async (
  bodies: BodyStore,
  place: BodyPlace,
  item: StoredGeneration,
): Promise<ItemBody | undefined> => {
  const { bodies: refs, preview: _preview, ...rest } = item;
  if (refs === undefined) return item;
  const input = refs.input && (await bodies.read(place, 'input', refs.input));
  // A text that is in the item was written after what is apart.
  const answerRef = item.text === undefined ? refs.answer : undefined;
  const answer = answerRef && (await bodies.read(place, 'answer', answerRef));
  if ((refs.input && !input) || (answerRef && !answer)) return undefined;
  return { ...rest, ...input, ...answer };
};
