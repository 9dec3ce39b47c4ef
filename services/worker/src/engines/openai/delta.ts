import { textOf } from '@sluice/protocol';
import type { Token, Usage } from '@sluice/protocol';
import { AnswerParts } from './answer-parts.ts';
import { fieldOf, textIn } from './fields.ts';
import { reasoningIn, ReasoningFields } from './reasoning-fields.ts';
import { ToolCalls } from './tool-calls.ts';

/** Reads the deltas of one answer, whatever names a server has for what it says. */
export class Deltas {
  readonly #parts = new AnswerParts();
  readonly #calls = new ToolCalls(this.#parts);
  readonly #fields = new ReasoningFields();

  get hasCalls(): boolean {
    return this.#calls.count > 0;
  }

  /**
   * What a `chat.completion.chunk` brings, as tokens in the order reasoning, text, refusal, tool calls, parts. Role-only and
   * empty deltas bring none.
   */
  tokensOf(chunk: unknown, choice: unknown): readonly Token[] {
    const delta = fieldOf(choice, 'delta') ?? fieldOf(choice, 'message');
    if (typeof delta !== 'object' || delta === null) return this.#parts.sourcesIn(chunk);
    this.#fields.take(delta);
    const reasoning = reasoningIn(delta);
    const refusal = textIn(delta, 'refusal');
    const content = this.#tokensOfContent(fieldOf(delta, 'content'));
    const said = [
      ...content,
      ...(refusal === undefined || refusal === content.map(textOf).join('') ? [] : [refusalOf(refusal)]),
      ...this.#calls.tokensOf(delta),
    ];
    return [
      ...(reasoning === undefined ? [] : [reasoningOf(reasoning)]),
      // Before the answer: some clients keep a signature only while they read the reasoning.
      ...(said.length === 0 ? [] : this.rest()),
      ...said,
      ...this.#parts.shownIn(delta),
      ...this.#parts.notesOn({ audio: fieldOf(delta, 'audio'), logprobs: fieldOf(choice, 'logprobs') }),
      ...this.#parts.sourcesIn(chunk),
    ];
  }

  /** What the server wants back with the message and has not been told yet. */
  rest(): readonly Token[] {
    if (this.#fields.isTooLarge) return this.#parts.leftOut('reasoning_details');
    const fields = this.#fields.news();
    return fields === undefined ? [] : this.#parts.part('reasoning_fields', fields);
  }

  /** A text, or the list of parts that some servers write: https://docs.mistral.ai/capabilities/reasoning */
  #tokensOfContent(content: unknown): readonly Token[] {
    if (typeof content === 'string') return content === '' ? [] : [content];
    return Array.isArray(content) ? content.flatMap((part) => this.#tokensOfPart(part)) : [];
  }

  #tokensOfPart(part: unknown): readonly Token[] {
    if (typeof part === 'string' || Array.isArray(part)) return this.#tokensOfContent(part);
    const thinking = fieldOf(part, 'thinking') ?? fieldOf(part, 'reasoning');
    if (thinking !== undefined)
      return this.#tokensOfContent(thinking).map((token) => reasoningOf(textOf(token)));
    const refusal = textIn(part, 'refusal');
    if (refusal !== undefined) return [refusalOf(refusal)];
    return fieldOf(part, 'image_url') === undefined
      ? this.#tokensOfContent(fieldOf(part, 'text'))
      : this.#parts.image(part);
  }
}

const reasoningOf = (text: string): Token => ({ kind: 'reasoning', text });
const refusalOf = (text: string): Token => ({ kind: 'refusal', text });

/** The figures of a usage object and of its detail objects; anything else in it is left out. */
export const usageOf = (value: unknown): Usage | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  const usage: Record<string, unknown> = {};
  for (const [name, figure] of Object.entries<unknown>({ ...value })) {
    if (isFigure(figure)) usage[name] = figure;
    else if (typeof figure === 'object' && figure !== null && !Array.isArray(figure)) {
      const details = Object.entries<unknown>({ ...figure }).filter(([, detail]) => isFigure(detail));
      if (details.length > 0) usage[name] = Object.fromEntries(details);
    }
  }
  return usage;
};

const isFigure = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
