import { kindOf, textOf } from '@sluice/protocol';
import type { ChatMessage, PromptParams, Token, TokenKind } from '@sluice/protocol';

/** What a worker asks of an engine. */
type Request = {
  readonly generation: string;
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly params: PromptParams;
  readonly prefix: readonly Token[];
};

/** A request for an answer to one message. */
export const requestOf = (content: string, more: Partial<Request> = {}): Request => ({
  generation: 'g1',
  model: 'simulated',
  messages: [{ role: 'user', content }],
  params: {},
  prefix: [],
  ...more,
});

export type Collected<End> = { readonly tokens: readonly Token[]; readonly end: End };

/** Runs an engine to its end. */
export const collect = async <End>(run: AsyncGenerator<Token, End, void>): Promise<Collected<End>> => {
  const tokens: Token[] = [];
  for (;;) {
    const step = await run.next();
    if (step.done === true) return { tokens, end: step.value };
    tokens.push(step.value);
  }
};

/** The text of one kind of tokens. */
export const joined = (tokens: readonly Token[], kind: TokenKind = 'text'): string =>
  tokens
    .filter((token) => kindOf(token) === kind)
    .map(textOf)
    .join('');

/** A signal that is never aborted. */
export const never = (): AbortSignal => new AbortController().signal;
