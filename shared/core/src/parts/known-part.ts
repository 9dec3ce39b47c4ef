import type { Part } from '@sluice/protocol';

/** What `JSON.parse` returns. */
type Json = null | boolean | number | string | Json[] | { [field: string]: Json };
export type JsonFields = { [field: string]: Json };

/** A part of a type that Sluice knows, as views read it. */
export type KnownPart =
  /** a source, in the words of OpenAI's chat completions */
  | { readonly type: 'annotation'; readonly annotation: JsonFields }
  /** `{type: "image_url", image_url: {url}}` */
  | { readonly type: 'image'; readonly image: JsonFields; readonly url: string }
  /** what the server wrote beside a call, and wants back with it: signatures */
  | { readonly type: 'call_fields'; readonly callId: string; readonly fields: JsonFields }
  /** what the server wrote beside its reasoning, and wants back with the message */
  | { readonly type: 'reasoning_fields'; readonly fields: JsonFields }
  | { readonly type: 'other'; readonly part: Part };

/** What a part is to a view; `other` where it is of no type that Sluice knows, or has not that type's shape. */
export const knownPartOf = (part: Part): KnownPart => {
  const { type, id, data } = part;
  if (isFields(data)) {
    if (type === 'annotation') return { type, annotation: data };
    if (type === 'call_fields' && id !== undefined) return { type, callId: id, fields: data };
    if (type === 'reasoning_fields') return { type, fields: data };
    const { image_url: address } = data;
    const url = isFields(address) && address['url'];
    if (type === 'image' && typeof url === 'string') return { type, image: data, url };
  }
  return { type: 'other', part };
};

/** Of values that came as JSON. */
export const isFields = (value: unknown): value is JsonFields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What the server wants back with each call, by the call's id. */
export const callFieldsOf = (parts: readonly Part[] = []): ReadonlyMap<string, JsonFields> => {
  const all = new Map<string, JsonFields>();
  for (const part of parts.map(knownPartOf))
    if (part.type === 'call_fields') all.set(part.callId, { ...all.get(part.callId), ...part.fields });
  return all;
};

/** What the server wants back with the message, beside its calls. */
export const reasoningFieldsOf = (parts: readonly Part[] = []): JsonFields => {
  let all: JsonFields = {};
  for (const part of parts.map(knownPartOf))
    if (part.type === 'reasoning_fields') all = { ...all, ...part.fields };
  return all;
};
