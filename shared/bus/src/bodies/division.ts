/**
 * What of an item or a prompt is in its own message, and what is apart in bodies: pure rules. All sizes are those of the
 * JSON that is stored.
 */
import type { StoredGeneration } from '@sluice/core';
import { withoutSaid } from '@sluice/protocol';
import type { BodyPart, BodyRef, End, GenerationError, MessageItem, PromptBody } from '@sluice/protocol';
import type { ItemBody, PromptEntry } from '../session-store.ts';

/** An item's message is never larger than this, bytes. */
export const MAX_ITEM_BYTES = 32 * 1024;
/** Texts of an item or a prompt that are together not above this stay in its message, bytes. */
const MAX_INLINE_BYTES = 24 * 1024;
/** What was typed leaves half of that to the answer, bytes. */
const MAX_INLINE_INPUT_BYTES = MAX_INLINE_BYTES / 2;
/** The beginning of a text that is apart, bytes. */
const MAX_PREVIEW_BYTES = 1024;
/** What an engine says beside its text: counts, and why it failed, bytes. */
const MAX_USAGE_BYTES = 2 * 1024;
const MAX_ERROR_BYTES = 2 * 1024;
const MAX_CODE_BYTES = 256;
const MAX_UPSTREAM_BYTES = 8 * 1024;

/** A body yet to be written: the fields that it holds. */
export type LooseBody = { readonly part: BodyPart; readonly fields: Readonly<Record<string, unknown>> };
/** What goes into the message, once the bodies are written and `refs` says where. */
export type Division<Record> = {
  readonly bodies: readonly LooseBody[];
  readonly record: (refs: Refs) => Record;
};
export type Refs = Readonly<Partial<Record<BodyPart, BodyRef>>>;

/** A prompt as it is stored. */
export type StoredPrompt = Omit<PromptEntry, 'body'> & {
  readonly body: PromptBody & { readonly model: string };
  readonly bodies?: { readonly prompt?: BodyRef; readonly input?: BodyRef };
};

export const encodedBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** Whether a text takes more than this. No character takes less than a byte, so a long one need not be encoded to know. */
const exceeds = (text: string, bytes: number): boolean => text.length > bytes || encodedBytes(text) > bytes;

/** The beginning of a text, whole characters of it, that takes no more than this in JSON, without its quotes. */
export const beginningOf = (text: string, maxBytes: number): string => {
  let bytes = 0;
  let length = 0;
  for (const character of text) {
    bytes += encodedBytes(character) - 2;
    if (bytes > maxBytes) break;
    length += character.length;
  }
  return text.slice(0, length);
};

/** Fields of which the item says where they are stay as they are: a later version repeats what an earlier one wrote. */
export const divideItem = (item: ItemBody): Division<ItemBody> =>
  item.kind === 'message' ? divideMessage(item) : divideGeneration(item);

const divideMessage = (item: Omit<MessageItem, 'rev'>): Division<ItemBody> => {
  const { text, data, ...rest } = item;
  const fields = { text, ...(data === undefined ? {} : { data }) };
  if (item.bodies !== undefined || encodedBytes(fields) <= MAX_INLINE_BYTES)
    return { bodies: [], record: () => item };
  const preview = beginningOf(text, MAX_PREVIEW_BYTES);
  return {
    bodies: [{ part: 'message', fields }],
    record: ({ message }) => ({ ...rest, text: preview, bodies: { ...(message && { message }) } }),
  };
};

const divideGeneration = (item: StoredGeneration): Division<ItemBody> => {
  const { text, reasoning, refusal, toolCalls, parts } = item;
  const { input, preview, bodies: known = {}, ...rest } = withoutSaid(item);
  const isInputApart = known.input === undefined && exceeds(input, MAX_INLINE_INPUT_BYTES);
  const shown = isInputApart ? beginningOf(input, MAX_PREVIEW_BYTES) : input;
  const said = defined({ text, reasoning, refusal, toolCalls, parts });
  const isSaid = Object.keys(said).length > 0;
  const isLong = (): boolean => encodedBytes(said) + encodedBytes(shown) > MAX_INLINE_BYTES;
  const isAnswerApart = isSaid && (exceeds(text ?? '', MAX_INLINE_BYTES) || isLong());
  const inline = isAnswerApart ? { preview: beginningOf(text ?? '', MAX_PREVIEW_BYTES) } : said;
  return {
    bodies: [
      ...(isInputApart ? [{ part: 'input', fields: { input } } as const] : []),
      ...(isAnswerApart ? [{ part: 'answer', fields: said } as const] : []),
    ],
    record: (refs) => {
      // A text that is here is newer than one that is apart.
      const kept = isSaid ? { input: known.input } : known;
      const bodies = defined({ ...kept, ...refs });
      return {
        ...rest,
        ...boundedEnd(rest),
        input: shown,
        ...inline,
        ...(isSaid || preview === undefined ? {} : { preview }),
        ...(Object.keys(bodies).length === 0 ? {} : { bodies }),
      };
    },
  };
};

/** What an engine may say at any length, cut. */
const boundedEnd = ({ usage, error }: Pick<End, 'usage' | 'error'>): Pick<End, 'usage' | 'error'> => {
  const { prompt_tokens, completion_tokens, total_tokens } = usage ?? {};
  const isLong = usage !== undefined && encodedBytes(usage) > MAX_USAGE_BYTES;
  return {
    ...(isLong && { usage: defined({ prompt_tokens, completion_tokens, total_tokens }) }),
    ...(error !== undefined && { error: boundedError(error) }),
  };
};

const boundedError = ({ code, message, upstream }: GenerationError): GenerationError => ({
  code: beginningOf(code, MAX_CODE_BYTES),
  message: beginningOf(message, MAX_ERROR_BYTES),
  // The worker has cut what its server said; anybody else's worker may not have.
  ...(upstream !== undefined && encodedBytes(upstream) <= MAX_UPSTREAM_BYTES ? { upstream } : {}),
});

/** An input is apart from the rest: its item names the same body. */
export const dividePrompt = (entry: PromptEntry): Division<StoredPrompt> => {
  const { body, note, ...rest } = entry;
  const { input, messages, params, ...settings } = body;
  const isInputApart = input !== undefined && exceeds(input, MAX_INLINE_INPUT_BYTES);
  if (!isInputApart && encodedBytes(entry) <= MAX_INLINE_BYTES) return { bodies: [], record: () => entry };
  const fields = defined({ messages, params, note, ...(isInputApart ? {} : { input }) });
  return {
    bodies: [
      ...(isInputApart ? [{ part: 'input', fields: { input } } as const] : []),
      ...(Object.keys(fields).length === 0 ? [] : [{ part: 'prompt', fields } as const]),
    ],
    record: (refs) => ({ ...rest, body: settings, bodies: { ...refs } }),
  };
};

/** Without the fields that are undefined. */
const defined = <Fields extends object>(fields: Fields): Defined<Fields> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<Fields>;

type Defined<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };
