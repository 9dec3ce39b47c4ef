import { isShallow } from '@sluice/protocol';
import type { Answer, PartRef, Token, ToolRef } from '@sluice/protocol';
import { closedPart, openPart } from './parts/part-reader.ts';
import type { OpenPart } from './parts/part-reader.ts';

/** What a generation's tokens say, by kind: the fields a finished item carries. */
export type Transcript = Answer & { readonly text: string };

type OpenCall = { id: string; name: string; arguments: string };

/** Joins tokens as they come; `transcript()` may be taken at any time. */
export class TranscriptWriter {
  #text = '';
  #reasoning = '';
  #refusal = '';
  readonly #parts = new Map<number, OpenPart>();
  readonly #calls = new Map<number, OpenCall>();

  push(token: Token): void {
    if (typeof token === 'string') this.#text += token;
    else if (token.kind === 'reasoning') this.#reasoning += token.text;
    else if (token.kind === 'refusal') this.#refusal += token.text;
    else if (token.kind === 'part') this.#partOf(token.part ?? { index: 0 }).json += token.text;
    else this.#callOf(token.tool ?? { index: 0 }).arguments += token.text;
  }

  transcript(): Transcript {
    const toolCalls = [...this.#calls.entries()]
      .toSorted(([a], [b]) => a - b)
      .map(([, call]) => ({ ...call }));
    const parts = [...this.#parts.values()]
      .flatMap((part) => closedPart(part) ?? [])
      .filter(({ data }) => isShallow(data));
    return {
      text: this.#text,
      ...(this.#reasoning === '' ? {} : { reasoning: this.#reasoning }),
      ...(this.#refusal === '' ? {} : { refusal: this.#refusal }),
      ...(toolCalls.length === 0 ? {} : { toolCalls }),
      ...(parts.length === 0 ? {} : { parts }),
    };
  }

  #partOf(ref: PartRef): OpenPart {
    const part = this.#parts.get(ref.index) ?? openPart(ref);
    this.#parts.set(ref.index, part);
    return part;
  }

  #callOf(tool: ToolRef): OpenCall {
    const known = this.#calls.get(tool.index);
    if (known !== undefined) {
      known.id ||= tool.id ?? '';
      known.name ||= tool.name ?? '';
      return known;
    }
    const call = { id: tool.id ?? '', name: tool.name ?? '', arguments: '' };
    this.#calls.set(tool.index, call);
    return call;
  }
}

export const transcriptOf = (tokens: Iterable<Token>): Transcript => {
  const writer = new TranscriptWriter();
  for (const token of tokens) writer.push(token);
  return writer.transcript();
};
