import { fieldOf, textIn } from './fields.ts';

/** Fields that bring reasoning as plain text. Servers that fill several say the same in each. */
const TEXT_FIELDS = ['reasoning', 'reasoning_content', 'reasoning_text'] as const;
/** Fields that bring it in entries, and which of an entry's fields are texts that come in pieces. */
const LISTS = ['reasoning_details', 'thinking_blocks'] as const;
const PIECES = ['text', 'thinking', 'summary'] as const;
/** What of an entry only the server can read. */
const SEALS = ['signature', 'data'] as const;
/** Fields of the message that only the server can read. */
const OPAQUE_FIELDS = [
  'reasoning_opaque',
  'reasoning_signature',
  'encrypted_content',
  'thought_signature',
  'extra_content',
  'provider_specific_fields',
] as const;

/** Most of what is kept for a server to have it back, characters. */
export const MAX_FIELDS_CHARS = 256 * 1024;

type Entry = Record<string, unknown>;

/** The reasoning that a delta brings, in whatever field. */
export const reasoningIn = (delta: object): string | undefined => {
  for (const field of TEXT_FIELDS) {
    const text = textIn(delta, field);
    if (text !== undefined) return text;
  }
  const pieces = LISTS.flatMap((field) => entriesIn(delta, field)).map(
    (entry) => PIECES.map((field) => textIn(entry, field)).find((text) => text !== undefined) ?? '',
  );
  return pieces.join('') || undefined;
};

/**
 * What servers write beside their reasoning, such as signatures, and expect unchanged in the next request:
 * https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks
 */
export class ReasoningFields {
  readonly #lists = new Map<string, Entry[]>();
  readonly #opaque = new Map<string, unknown>();
  #chars = 0;
  #isSealed = false;
  #hasNews = false;

  take(delta: object): void {
    for (const field of LISTS) for (const entry of entriesIn(delta, field)) this.#addEntry(field, entry);
    for (const field of OPAQUE_FIELDS) {
      const value = fieldOf(delta, field);
      if (value === undefined || value === null || value === '') continue;
      this.#opaque.set(field, value);
      this.#count(value);
      this.#hasNews = this.#isSealed = true;
    }
  }

  /** Whether it is more than is kept. */
  get isTooLarge(): boolean {
    return this.#chars > MAX_FIELDS_CHARS;
  }

  /** All of it, where there is news that only the server can read. */
  news(): object | undefined {
    if (!this.#isSealed || !this.#hasNews || this.isTooLarge) return undefined;
    this.#hasNews = false;
    return Object.fromEntries([...this.#lists, ...this.#opaque]);
  }

  #addEntry(field: string, entry: Entry): void {
    this.#count(entry);
    if (this.isTooLarge) return this.#lists.clear();
    this.#hasNews = true;
    this.#isSealed ||= SEALS.some((seal) => textIn(entry, seal) !== undefined);
    const entries = this.#lists.get(field) ?? [];
    this.#lists.set(field, entries);
    const open = entries.findLast((other) => other['type'] === entry['type'] && goesOn(other, entry));
    if (open === undefined) entries.push({ ...entry });
    else continueWith(open, entry);
  }

  #count(value: unknown): void {
    this.#chars += JSON.stringify(value).length;
  }
}

/** Entries have a number, or the one that has no seal yet goes on. */
const goesOn = (open: Entry, entry: Entry): boolean =>
  open['index'] === entry['index'] &&
  (entry['index'] !== undefined || SEALS.every((seal) => textIn(open, seal) === undefined));

const continueWith = (open: Entry, entry: Entry): void => {
  for (const [field, value] of Object.entries(entry)) {
    if (value === null || value === undefined || value === '') continue;
    const known = open[field];
    const isPiece = (PIECES as readonly string[]).includes(field);
    open[field] = isPiece && typeof known === 'string' && typeof value === 'string' ? known + value : value;
  }
};

const entriesIn = (delta: object, field: string): Entry[] => {
  const list = fieldOf(delta, field);
  if (!Array.isArray(list)) return [];
  return list.filter((entry): entry is Entry => typeof entry === 'object' && entry !== null);
};
