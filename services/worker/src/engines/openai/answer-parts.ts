import { createHash } from 'node:crypto';
import type { MarkedToken } from '@sluice/protocol';
import { fieldOf, textIn } from './fields.ts';

/** More different ones in one answer are not told: each has to be remembered. */
const MAX_PARTS = 1_000;

/** Writes the parts of one answer: sources, images, and what the server wants back. Each is told once. */
export class AnswerParts {
  readonly #told = new Set<string>();

  /** Those that a delta shows. */
  shownIn(delta: object): MarkedToken[] {
    return [
      ...listIn(delta, 'annotations').flatMap((annotation) => this.part('annotation', annotation)),
      ...listIn(delta, 'images').flatMap((image) => this.image(image)),
    ];
  }

  /** The sources that some servers list beside the choices: https://docs.perplexity.ai/api-reference */
  sourcesIn(chunk: unknown): MarkedToken[] {
    return listIn(chunk, 'citations').flatMap((source) => {
      const url = typeof source === 'string' ? source : textIn(source, 'url');
      const title = textIn(source, 'title');
      const cited = { url, ...(title === undefined ? {} : { title }) };
      return url === undefined ? [] : this.part('annotation', { type: 'url_citation', url_citation: cited });
    });
  }

  /** `{type: "image_url", image_url: {url}}`, or with the address alone in its place. */
  image(image: unknown): MarkedToken[] {
    const address = fieldOf(image, 'image_url');
    const url = typeof address === 'string' ? address : textIn(address, 'url');
    return url === undefined ? [] : this.part('image', { type: 'image_url', image_url: { url } });
  }

  /** Of fields that nobody may ask for and that have no place in an answer. */
  notesOn(fields: Readonly<Record<string, unknown>>): MarkedToken[] {
    return Object.entries(fields).flatMap(([field, value]) => (isGiven(value) ? this.leftOut(field) : []));
  }

  /** That a field of the server's answer is not passed on. */
  leftOut(field: string): MarkedToken[] {
    return this.part('left_out', { field });
  }

  /** Nothing where the same part was told before: some servers repeat them in each chunk. */
  part(type: string, data: unknown, id?: string): MarkedToken[] {
    const text = JSON.stringify(data);
    const key = createHash('sha256')
      .update(`${type} ${id ?? ''} ${text}`)
      .digest('base64');
    const index = this.#told.size;
    if (this.#told.has(key) || index >= MAX_PARTS) return [];
    this.#told.add(key);
    return [{ kind: 'part', text, part: { index, type, ...(id === undefined ? {} : { id }) } }];
  }
}

const isGiven = (value: unknown): boolean =>
  Array.isArray(value)
    ? value.length > 0
    : typeof value === 'object' && value !== null && Object.values(value).some(isGivenField);

const isGivenField = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== null && value !== undefined;

const listIn = (value: unknown, field: string): readonly unknown[] => {
  const list = fieldOf(value, field);
  return Array.isArray(list) ? list : [];
};
