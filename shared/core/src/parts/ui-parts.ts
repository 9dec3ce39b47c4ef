import type { End, Part } from '@sluice/protocol';
import type { PartChunk, UiChunk, UiDelta, UiWriter } from '../ui/ui-chunk.ts';
import { isFields, knownPartOf } from './known-part.ts';
import type { JsonFields } from './known-part.ts';
import { PartReader } from './part-reader.ts';

/**
 * Tells what an answer holds beside texts and calls, around the writer that tells those. A file of its own, without what
 * pages load at once: few answers have any.
 */
export class UiPartsWriter implements UiWriter {
  readonly #writer: UiWriter;
  readonly #generation: string;
  readonly #callFields = new Map<string, JsonFields>();
  #reader = new PartReader();
  #isRefused = false;
  #parts = 0;

  constructor(writer: UiWriter, generation: string) {
    this.#writer = writer;
    this.#generation = generation;
  }

  start(): readonly UiChunk[] {
    return this.#writer.start();
  }

  delta(delta: UiDelta): readonly UiChunk[] {
    const before = this.#told(this.#reader.push(delta));
    if (delta.kind === 'part') return before;
    this.#isRefused ||= delta.kind === 'refusal';
    return [...before, ...this.#writer.delta(delta)];
  }

  reset(): readonly UiChunk[] {
    const chunks = this.#writer.reset();
    const isVoid = chunks.length === 0 && this.#parts > 0;
    this.#reader = new PartReader();
    this.#callFields.clear();
    this.#parts = 0;
    this.#isRefused = false;
    return isVoid ? [{ type: 'reset-step' }] : chunks;
  }

  end(end: End): readonly UiChunk[] {
    const last = this.#told(this.#reader.end());
    // The SDK has no part for a refusal: it is a text, and the message says so.
    const marks: readonly UiChunk[] = this.#isRefused
      ? [{ type: 'message-metadata', messageMetadata: { refusal: true } }]
      : [];
    return [...last, ...marks, ...this.#writer.end(end).map((chunk) => this.#withFields(chunk))];
  }

  #withFields(chunk: UiChunk): UiChunk {
    if (chunk.type !== 'tool-input-available' && chunk.type !== 'tool-input-error') return chunk;
    const sluice = this.#callFields.get(chunk.toolCallId);
    return sluice === undefined ? chunk : { ...chunk, providerMetadata: { sluice } };
  }

  #told(part: Part | undefined): readonly UiChunk[] {
    if (part === undefined) return [];
    const known = knownPartOf(part);
    if (known.type === 'call_fields') {
      this.#callFields.set(known.callId, { ...this.#callFields.get(known.callId), ...known.fields });
      return [];
    }
    this.#parts += 1;
    const id = `${this.#generation}-part-${this.#parts}`;
    // As the SDK's own models tell reasoning of which there is only a seal.
    if (known.type === 'reasoning_fields')
      return [
        { type: 'reasoning-start', id },
        { type: 'reasoning-end', id, providerMetadata: { sluice: known.fields } },
      ];
    if (known.type === 'image') return [{ type: 'file', url: known.url, mediaType: mediaTypeOf(known.url) }];
    const source = known.type === 'annotation' ? sourceOf(known.annotation, id) : undefined;
    return [source ?? dataOf(part)];
  }
}

/** Chat completions put what is cited in a field of its own, Responses beside the type. */
const sourceOf = (annotation: JsonFields, sourceId: string): PartChunk | undefined => {
  const { url_citation: cited = annotation } = annotation;
  if (!isFields(cited) || typeof cited['url'] !== 'string') return undefined;
  const { url, title } = cited;
  return { type: 'source-url', sourceId, url, ...(typeof title === 'string' ? { title } : {}) };
};

/** One of a type that neither the SDK nor Sluice knows is `data-part`, as it is. */
const dataOf = ({ type, id, data }: Part): PartChunk => {
  const named = id === undefined ? {} : { id };
  return isData(type) ? { type, ...named, data } : { type: 'data-part', ...named, data: { type, data } };
};

const isData = (type: string): type is `data-${string}` => type.startsWith('data-');

/** As a data URL says; of another address only that it is an image. */
const mediaTypeOf = (url: string): string => /^data:([^;,]+)/.exec(url)?.[1] ?? 'image/*';
