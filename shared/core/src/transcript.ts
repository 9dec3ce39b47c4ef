import type { Token, ToolCall, ToolRef } from '@sluice/protocol';

/** What a generation's tokens say, by kind: the fields a finished item carries. */
export type Transcript = {
  readonly text: string;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCall[];
};

type OpenCall = { id: string; name: string; arguments: string };

/** Joins tokens as they come; `transcript()` may be taken at any time. */
export class TranscriptWriter {
  #text = '';
  #reasoning = '';
  readonly #calls = new Map<number, OpenCall>();

  push(token: Token): void {
    if (typeof token === 'string') this.#text += token;
    else if (token.kind === 'reasoning') this.#reasoning += token.text;
    else this.#callOf(token.tool ?? { index: 0 }).arguments += token.text;
  }

  transcript(): Transcript {
    const toolCalls = [...this.#calls.entries()]
      .toSorted(([a], [b]) => a - b)
      .map(([, call]) => ({ ...call }));
    return {
      text: this.#text,
      ...(this.#reasoning === '' ? {} : { reasoning: this.#reasoning }),
      ...(toolCalls.length === 0 ? {} : { toolCalls }),
    };
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
