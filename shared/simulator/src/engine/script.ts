import { textOf } from '@sluice/protocol';
import type { ChatMessage, MarkedToken, Token } from '@sluice/protocol';
import type { EngineEnd, EngineRequest } from '@sluice/core';
import { AuthoredLibrary } from './authored-source.ts';
import { NgramModel } from './ngram-source.ts';
import { toPieces } from './pieces.ts';
import { hashText, mix } from './fixed-numbers.ts';
import type { SimulatedSettings } from './settings.ts';
import type { TextSource } from './text-source.ts';

/** Everything a run will say, known before it starts: a pure function of settings and conversation. */
export interface Script {
  /** tokens until the end, `max_tokens` included */
  readonly length: number;
  readonly reason: EngineEnd['reason'];
  readonly promptTokens: number;
  /** The token with this seq, from 1 to `length`. @throws RangeError outside */
  tokenAt(seq: number): Token;
}

/** Made once per engine: cuts and learns the texts that all scripts draw from. */
export class ScriptLibrary {
  readonly #authored = new AuthoredLibrary();
  readonly #ngram = new NgramModel();

  script(request: Pick<EngineRequest, 'messages' | 'params'>, settings: SimulatedSettings): Script {
    const hash = hashText(conversationOf(request.messages), settings.seed);
    const text =
      settings.source === 'ngram'
        ? this.#ngram.source(hash)
        : this.#authored.source(questionOf(request.messages), hash);
    const reasoning = this.#ngram.source(mix(hash, settings.reasoningTokens));
    const call = toolCallTokens(settings, hash);
    const spoken = spokenTokens(settings, text);
    const whole = spoken + call.length;
    const length = Math.min(whole, maxTokensOf(request.params));
    const tokenAt = (seq: number): Token => {
      if (!(seq >= 1 && seq <= length))
        throw new RangeError(`token: expected seq 1 to ${length}, got ${seq}`);
      const made = call[seq - 1 - spoken];
      if (made !== undefined) return made;
      const isReasoning = seq <= settings.reasoningTokens;
      const piece =
        settings.watermark === undefined
          ? isReasoning
            ? reasoning.at(seq - 1)
            : text.at(seq - 1 - settings.reasoningTokens)
          : `⟦${settings.watermark}.${seq}⟧`;
      return isReasoning ? { kind: 'reasoning', text: piece } : piece;
    };
    const complete = call.length > 0 ? 'tool_calls' : 'stop';
    return {
      length,
      reason: length < whole ? 'length' : complete,
      promptTokens: approximateTokens(request.messages),
      tokenAt,
    };
  }
}

/** All tokens of a script, in order. For tests and for scripts known to be short. */
export const tokensOf = (script: Script): readonly Token[] =>
  Array.from({ length: script.length }, (_, index) => script.tokenAt(index + 1));

/** How many whole tokens of the script a text covers, and how much of the next one it holds already. */
export const locate = (script: Script, text: string): { readonly tokens: number; readonly into: number } => {
  let tokens = 0;
  let rest = text.length;
  while (tokens < script.length) {
    const length = textOf(script.tokenAt(tokens + 1)).length;
    if (length > rest) break;
    rest -= length;
    tokens += 1;
  }
  return { tokens, into: rest };
};

const spokenTokens = (settings: SimulatedSettings, text: TextSource): number => {
  if (settings.tokens !== undefined) return Math.max(settings.tokens, settings.reasoningTokens);
  return settings.reasoningTokens + (settings.toolCall === undefined ? text.naturalLength : 0);
};

/** As OpenAI streams a call: its id and name first, then the arguments piece by piece. */
const toolCallTokens = (settings: SimulatedSettings, hash: number): readonly MarkedToken[] => {
  if (settings.toolCall === undefined) return [];
  const { name, arguments: given } = settings.toolCall;
  const id = `call_${hash.toString(16).padStart(8, '0')}`;
  const pieces = toPieces(typeof given === 'string' ? given : JSON.stringify(given));
  return [
    { kind: 'tool_call', text: '', tool: { index: 0, id, name } },
    ...pieces.map((text): MarkedToken => ({ kind: 'tool_call', text, tool: { index: 0 } })),
  ];
};

/** `max_completion_tokens` is OpenAI's newer name for the same bound. */
const maxTokensOf = (params: EngineRequest['params']): number => {
  const bounds = [params.max_tokens, params['max_completion_tokens']];
  return Math.min(...bounds.filter((bound) => typeof bound === 'number'), Number.POSITIVE_INFINITY);
};

const contentOf = (message: ChatMessage): string =>
  typeof message.content === 'string' ? message.content : JSON.stringify(message.content ?? '');

/** What was asked last, without what may be beside its text. */
const questionOf = (messages: readonly ChatMessage[]): string => {
  const content = messages.findLast(({ role }) => role === 'user')?.content;
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: unknown) => textPartOf(part)).join(' ');
};

const textPartOf = (part: unknown): string =>
  typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string'
    ? part.text
    : '';

/** The conversation as the engine reads it: what it is continued by is appended, and nothing else changes. */
export const conversationOf = (messages: readonly ChatMessage[]): string =>
  messages.map((message) => `${message.role}\u0000${contentOf(message)}`).join('\u0001');

/** Four characters to a token and four tokens of template to a message: near enough for a usage figure. */
const approximateTokens = (messages: readonly ChatMessage[]): number =>
  messages.reduce((sum, message) => sum + 4 + Math.ceil(contentOf(message).length / 4), 0);
