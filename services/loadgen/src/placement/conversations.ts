import { connect } from '@sluice/client';
import type { Session } from '@sluice/client';
import type { EdgeTarget } from '../clients/wire.ts';

export type ConversationSize = {
  /** conversations at once */
  readonly sessions: number;
  /** prompts of each, one after the other */
  readonly turns: number;
  /** characters a person adds in a turn; about four to a token */
  readonly inputChars: number;
  /** tokens of an answer */
  readonly answerTokens: number;
};

/** One prompt, as its user saw it. */
export type Turn = {
  /** from the prompt being sent to its first token being here, ms */
  readonly firstTokenMs: number;
  readonly promptTokens: number;
  /** of these, what the worker's engine had in its cache */
  readonly cachedTokens: number;
};

/** Holds many conversations at once through one edge. @returns every turn of all of them */
export const converse = async (target: EdgeTarget, size: ConversationSize): Promise<readonly Turn[]> => {
  const { port, token } = target;
  const client = connect({ url: `http://127.0.0.1:${port}`, token });
  try {
    const sessions = Array.from({ length: size.sessions }, (_, n) => client.session(`talk-${n}`));
    return (await Promise.all(sessions.map((session, n) => talk(session, n, size)))).flat();
  } finally {
    await client.close();
  }
};

const talk = async (session: Session, who: number, size: ConversationSize): Promise<Turn[]> => {
  const turns: Turn[] = [];
  for (let turn = 0; turn < size.turns; turn += 1) {
    // Different from the first character on: no two conversations share a cached beginning.
    const input = `${who}.${turn} `.repeat(size.inputChars).slice(0, size.inputChars);
    const sentAt = performance.now();
    const generation = session.prompt({ input, params: { simulated: { tokens: size.answerTokens } } });
    let firstTokenMs: number | undefined;
    for await (const _delta of generation) firstTokenMs ??= performance.now() - sentAt;
    turns.push({ firstTokenMs: firstTokenMs ?? Number.NaN, ...usageOf((await generation.end).usage) });
  }
  return turns;
};

type UsageFigures = Pick<Turn, 'promptTokens' | 'cachedTokens'>;

/** @throws Error when the engine does not say what it had cached: then nothing here would be a measurement */
const usageOf = (usage: unknown): UsageFigures => {
  const { prompt_tokens: promptTokens, prompt_tokens_details: details } = (usage ?? {}) as Record<
    string,
    unknown
  >;
  const { cached_tokens: cachedTokens } = (details ?? {}) as Record<string, unknown>;
  if (typeof promptTokens === 'number' && typeof cachedTokens === 'number')
    return { promptTokens, cachedTokens };
  throw new Error(`usage: expected prompt_tokens and cached_tokens, got ${JSON.stringify(usage)}`);
};
