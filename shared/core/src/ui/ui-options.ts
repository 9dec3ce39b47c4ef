import { uiToolChoiceOf, uiToolsOf } from './ui-tools.ts';
import type { Fields } from './ui-tools.ts';
import { wrongField } from './wrong-field.ts';

/** What the fields beside a chat ask for, under the names that a prompt has. */
export type UiOptions = {
  /** what is no parameter; always in one order, since it is hashed */
  readonly prompt: Fields;
  /** everything else, whether an engine knows it or not */
  readonly params: Fields;
  /** said to the model before the conversation */
  readonly system: string | undefined;
};

const OF_PROMPT = ['model', 'history', 'lead', 'governor', 'onAbandon'];

/** The AI SDK's names, where a prompt or an engine has others. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['instructions', 'system'],
  ['maxOutputTokens', 'max_tokens'],
  ['maxTokens', 'max_tokens'],
  ['topP', 'top_p'],
  ['topK', 'top_k'],
  ['presencePenalty', 'presence_penalty'],
  ['frequencyPenalty', 'frequency_penalty'],
  ['stopSequences', 'stop'],
  ['toolChoice', 'tool_choice'],
]);

/**
 * Sorts what an application put at the top of its request. Nothing is dropped: a field that no prompt has becomes a
 * parameter, and the edge refuses parameters that it does not know by their names.
 * @throws SluiceError bad_frame
 */
export const uiOptionsOf = (fields: Fields): UiOptions => {
  const given = flat(fields);
  const take = (name: string): unknown => {
    const value = given.get(name);
    given.delete(name);
    return value;
  };
  const system = take('system');
  if (system !== undefined && typeof system !== 'string') throw wrongField('system', 'a string');
  const prompt = OF_PROMPT.filter((name) => given.has(name)).map((name) => [name, take(name)] as const);
  const tools = uiToolsOf(take('tools'));
  if (tools.length > 0) given.set('tools', tools);
  if (given.has('tool_choice')) given.set('tool_choice', uiToolChoiceOf(take('tool_choice')));
  return { prompt: Object.fromEntries(prompt), params: Object.fromEntries(given), system };
};

/** Every field once, by the engine's name for it. Null says nothing, as with OpenAI's clients. `callSettings` is assistant-ui's. */
const flat = ({ params, callSettings, ...top }: Fields): Map<string, unknown> => {
  const found = new Map<string, unknown>();
  for (const part of [top, params, callSettings])
    for (const [given, value] of Object.entries(part ?? {})) {
      const name = NAMES.get(given) ?? given;
      if (value === null || value === undefined) continue;
      if (found.has(name)) throw wrongField(name, 'once, got it twice');
      found.set(name, value);
    }
  return found;
};
