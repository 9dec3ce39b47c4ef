import type { GenerationItem, Item } from '@sluice/protocol';
import type { Track } from '../generation/track.ts';

/**
 * The items of a session, oldest rev first. A generation that is followed shows the text of its track; that is
 * filled in when somebody looks, not for each token.
 */
export class ItemList {
  readonly #tracks: ReadonlyMap<string, Track>;
  readonly #items = new Map<string, Item>();
  readonly #outdated = new Set<string>();
  #lastRev = 0;
  #isSorted = true;

  /** @param tracks the session's tracks by generation id, read whenever the list is viewed */
  constructor(tracks: ReadonlyMap<string, Track>) {
    this.#tracks = tracks;
  }

  get(id: string): Item | undefined {
    return this.view().get(id);
  }

  /** The same map at each call, brought up to date. */
  view(): ReadonlyMap<string, Item> {
    for (const id of this.#outdated) this.#fill(id);
    this.#outdated.clear();
    if (!this.#isSorted) this.#sort();
    return this.#items;
  }

  /** @returns false for a version that is older than the one known */
  put(item: Item): boolean {
    const known = this.#items.get(item.id);
    if (known !== undefined && known.rev > item.rev) return false;
    // A newer version takes a newer place; the same one may come again with its text.
    if (known !== undefined && known.rev < item.rev) this.#items.delete(item.id);
    if (item.rev < this.#lastRev) this.#isSorted = false;
    this.#lastRev = Math.max(this.#lastRev, item.rev);
    this.#items.set(item.id, keepingText(known, item));
    this.touch(item.id);
    return true;
  }

  /** The track of this generation moved on. */
  touch(id: string): void {
    this.#outdated.add(id);
  }

  delete(id: string): void {
    this.#items.delete(id);
  }

  clear(): void {
    this.#items.clear();
    this.#outdated.clear();
    this.#lastRev = 0;
    this.#isSorted = true;
  }

  #fill(id: string): void {
    const item = this.#items.get(id);
    const track = this.#tracks.get(id);
    if (item?.kind === 'generation' && track !== undefined) this.#items.set(id, withTrack(item, track));
  }

  #sort(): void {
    const sorted = [...this.#items].sort(([, left], [, right]) => left.rev - right.rev);
    this.#items.clear();
    for (const [id, item] of sorted) this.#items.set(id, item);
    this.#isSorted = true;
  }
}

/** Announced versions come without their text; within an epoch what is known of it stays true. */
const keepingText = (known: Item | undefined, item: Item): Item =>
  known?.kind === 'generation' && item.kind === 'generation' && known.epoch === item.epoch
    ? { ...known, ...item }
    : item;

const withTrack = (item: GenerationItem, { content, end }: Track): GenerationItem => {
  const { text, reasoning, toolCalls } = content;
  const { reasoning: _reasoning, refusal: _refusal, toolCalls: _toolCalls, ...rest } = item;
  return {
    ...rest,
    ...(end === undefined ? content.position : { ...end, status: 'done' as const }),
    text,
    ...(reasoning === '' ? {} : { reasoning }),
    ...(toolCalls.length === 0 ? {} : { toolCalls }),
  };
};
