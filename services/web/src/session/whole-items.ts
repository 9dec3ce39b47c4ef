import type { Item } from '@sluice/client';
import type { GenerationItem } from '@sluice/protocol';
import { edgeUrl } from '../address.ts';

/** Reads a generation with all that was asked and said. @throws Error when the edge does not give it */
export type ReadWhole = (session: string, generation: string) => Promise<GenerationItem>;

/** @param token asked for with each request */
export const wholeReader =
  (token: () => string): ReadWhole =>
  async (session, generation) => {
    const url = new URL(`/v1/sessions/${session}/generations/${generation}`, edgeUrl());
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token()}` } });
    if (!answer.ok) throw new Error(`an earlier turn could not be read (${answer.status})`);
    return (await answer.json()) as GenerationItem;
  };

/** Whether the list has only the beginning of what was asked, or of an answer that was not read yet. */
export const isCut = (item: Item): item is GenerationItem =>
  item.kind === 'generation' &&
  (item.bodies?.input !== undefined || (item.bodies?.answer !== undefined && (item.text ?? '') === ''));
