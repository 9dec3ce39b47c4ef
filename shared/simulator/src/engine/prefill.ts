import { kindOf, textOf } from '@sluice/protocol';
import type { ChatMessage, Token } from '@sluice/protocol';
import { hashText, mix } from './fixed-numbers.ts';
import { conversationOf } from './script.ts';

/** A cache holds whole blocks of a prompt, as engines keep theirs. */
const BLOCK_TOKENS = 16;
const CHARS_PER_TOKEN = 4;
const BLOCK_CHARS = BLOCK_TOKENS * CHARS_PER_TOKEN;

export type PrefillSettings = {
  /** prompt tokens read per second before the first token; 0 is at once. Default 0 */
  readonly prefillTokensPerSecond: number;
  /** prompt tokens whose reading the KV cache saves, over all conversations. Default 200,000 */
  readonly cacheTokens: number;
};

export const DEFAULT_PREFILL: PrefillSettings = { prefillTokensPerSecond: 0, cacheTokens: 200_000 };

/**
 * What an engine pays for reading a prompt, and what its KV cache saves of that: conversations whose
 * beginning it has read lately cost only what is new. The cache is one engine's own, in blocks, with
 * the least recently used thrown out.
 */
export class Prefill {
  readonly #settings: PrefillSettings;
  readonly #maxBlocks: number;
  /** hashes of a block and all before it; oldest use first */
  readonly #blocks = new Set<number>();

  constructor(settings: PrefillSettings) {
    this.#settings = settings;
    this.#maxBlocks = Math.floor(settings.cacheTokens / BLOCK_TOKENS);
  }

  get isFree(): boolean {
    return this.#settings.prefillTokensPerSecond === 0;
  }

  /** How many tokens at the beginning of the conversation need not be read again. */
  cachedTokens(conversation: string): number {
    const blocks = blocksOf(conversation);
    const missing = blocks.findIndex((block) => !this.#blocks.has(block));
    return (missing === -1 ? blocks.length : missing) * BLOCK_TOKENS;
  }

  /** Time to read that many tokens, ms. */
  msFor(tokens: number): number {
    return this.isFree ? 0 : (tokens * 1000) / this.#settings.prefillTokensPerSecond;
  }

  /** The engine has read, or written, all of this. */
  remember(conversation: string): void {
    // The beginning is used last: without it what follows could not be found.
    for (const block of blocksOf(conversation).toReversed()) {
      this.#blocks.delete(block);
      this.#blocks.add(block);
    }
    for (const oldest of this.#blocks) {
      if (this.#blocks.size <= this.#maxBlocks) return;
      this.#blocks.delete(oldest);
    }
  }
}

/** One run's use of the cache: what it reads before its first token, and what it writes after. */
export class Reading {
  /** time before the first token, ms */
  readonly ms: number;
  /** tokens at the beginning that were in the cache */
  readonly cached: number;
  readonly #prefill: Prefill;
  #conversation: string;
  #hasRead = false;

  /** @param prefix tokens of the answer that are there already */
  constructor(prefill: Prefill, messages: readonly ChatMessage[], prefix: readonly Token[]) {
    this.#prefill = prefill;
    this.#conversation = conversationOf([...messages, { role: 'assistant', content: '' }]);
    for (const token of prefix) this.#append(token);
    this.cached = prefill.cachedTokens(this.#conversation);
    this.ms = prefill.msFor(Math.ceil(this.#conversation.length / CHARS_PER_TOKEN) - this.cached);
  }

  write(token: Token): void {
    if (!this.#hasRead) this.#prefill.remember(this.#conversation);
    this.#hasRead = true;
    this.#append(token);
  }

  /** The run is over: the next prompt of the conversation repeats what this one has written. */
  end(): void {
    if (this.#hasRead) this.#prefill.remember(this.#conversation);
  }

  #append(token: Token): void {
    if (kindOf(token) === 'text') this.#conversation += textOf(token);
  }
}

const blocksOf = (conversation: string): number[] => {
  const blocks: number[] = [];
  let hash = 0;
  for (let end = BLOCK_CHARS; end <= conversation.length; end += BLOCK_CHARS) {
    hash = mix(hashText(conversation.slice(end - BLOCK_CHARS, end)), hash);
    blocks.push(hash);
  }
  return blocks;
};
