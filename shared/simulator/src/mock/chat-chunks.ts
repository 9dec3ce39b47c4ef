import { textOf, toolOf } from '@sluice/protocol';
import type { MarkedToken, Token } from '@sluice/protocol';
import type { EngineEnd } from '@sluice/core';
import type { Quirks } from './quirks.ts';

type Json = { readonly [field: string]: unknown };

/** Writes tokens and ends as the server-sent events of one response, in a given server's dialect. */
export class ChatChunks {
  readonly #quirks: Quirks;
  readonly #envelope: Json;
  readonly #hasUsage: boolean;
  /** pieces of a tool call that this dialect sends as one */
  #call: MarkedToken | undefined;

  constructor(
    quirks: Quirks,
    options: { readonly model: string; readonly number: number; readonly hasUsage: boolean },
  ) {
    this.#quirks = quirks;
    this.#hasUsage = options.hasUsage;
    this.#envelope = {
      id: `${quirks.idPrefix}${options.number}`,
      object: 'chat.completion.chunk',
      created: 1_790_000_000,
      model: options.model,
      system_fingerprint: 'fp_mock',
    };
  }

  opening(): string {
    const comment = this.#quirks.hasComments ? ': keep-alive\n\n' : '';
    const content = this.#quirks.roleChunk;
    return content === undefined ? comment : comment + this.#delta({ role: 'assistant', content });
  }

  token(token: Token): string {
    if (typeof token === 'string') return this.#flushCall() + this.#delta({ content: token });
    if (token.kind === 'reasoning') return this.#delta({ [this.#quirks.reasoningField]: token.text });
    if (!this.#quirks.hasWholeToolCalls) return this.#delta({ tool_calls: [callOf(token)] });
    this.#call = this.#call === undefined ? token : { ...this.#call, text: this.#call.text + token.text };
    return '';
  }

  ending(end: EngineEnd): string {
    const last = { index: 0, delta: {}, finish_reason: end.reason, ...this.#quirks.lastChunk };
    const usage = this.#hasUsage ? this.#event({ choices: [], usage: end.usage }) : '';
    return this.#flushCall() + this.#event({ choices: [last] }) + usage;
  }

  error(): string {
    const error = { message: 'the mock was told to fail', type: 'server_error', code: 500 };
    return this.#quirks.hasErrorField
      ? `error: ${JSON.stringify(error)}\n\n`
      : `data: ${JSON.stringify({ error })}\n\n`;
  }

  #flushCall(): string {
    if (this.#call === undefined) return '';
    const whole = callOf(this.#call);
    this.#call = undefined;
    return this.#delta({ tool_calls: [whole] });
  }

  #delta(delta: Json): string {
    const choice = { index: 0, delta: { ...this.#quirks.everyDelta, ...delta }, finish_reason: null };
    return this.#event({ choices: [choice], ...(this.#hasUsage ? { usage: null } : {}) });
  }

  #event(fields: Json): string {
    return `data: ${JSON.stringify({ ...this.#envelope, ...fields })}\n\n`;
  }
}

const callOf = (token: MarkedToken): Json => {
  const tool = toolOf(token);
  const { id, name } = tool ?? {};
  return {
    index: tool?.index ?? 0,
    ...(id === undefined ? {} : { id, type: 'function' }),
    function: { ...(name === undefined ? {} : { name }), arguments: textOf(token) },
  };
};
