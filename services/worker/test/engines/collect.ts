import { kindOf, textOf } from '@sluice/protocol';
import type { Token, TokenKind } from '@sluice/protocol';
import type { EngineEnd, EngineRequest, EngineRun } from '../../src/engines/index.ts';

export const requestOf = (content: string, more: Partial<EngineRequest> = {}): EngineRequest => ({
  generation: 'g1',
  model: 'simulated',
  messages: [{ role: 'user', content }],
  params: {},
  prefix: [],
  ...more,
});

export type Collected = { readonly tokens: readonly Token[]; readonly end: EngineEnd };

/** Runs to the end. */
export const collect = async (run: EngineRun): Promise<Collected> => {
  const tokens: Token[] = [];
  for (;;) {
    const step = await run.next();
    if (step.done === true) return { tokens, end: step.value };
    tokens.push(step.value);
  }
};

export const joined = (tokens: readonly Token[], kind: TokenKind = 'text'): string =>
  tokens
    .filter((token) => kindOf(token) === kind)
    .map(textOf)
    .join('');

export const never = (): AbortSignal => new AbortController().signal;
