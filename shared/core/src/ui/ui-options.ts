import { SluiceError } from '@sluice/protocol';
import { isRecord, uiToolChoiceOf, uiToolsOf } from './ui-tools.ts';
import type { Fields } from './ui-tools.ts';

/** What the fields beside a chat ask for, under the names that a prompt has. */
export type UiOptions = {
  /** `model`, `lead`, `governor`, `onAbandon`; always in one order, since they are hashed */
  readonly prompt: Fields;
  /** everything else, whether an engine knows it or not */
  readonly params: Fields;
  /** said to the model before the conversation */
  readonly system: string | undefined;
};

const OF_PROMPT = ['model', 'lead', 'governor', 'onAbandon'];
/** They hold more fields. `callSettings` is assistant-ui's. */
const NESTED = ['params', 'callSettings'];

/** The AI SDK's names, where a prompt or an engine has others. */
const NAME_OF: Readonly<Record<string, string>> = {
  instructions: 'system',
  maxOutputTokens: 'max_tokens',
  maxTokens: 'max_tokens',
  topP: 'top_p',
  topK: 'top_k',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  stopSequences: 'stop',
  toolChoice: 'tool_choice',
  reasoningEffort: 'reasoning_effort',
};

/**
 * Sorts what an application put at the top of its request. Nothing is dropped: a field that no prompt has becomes a
 * parameter, and the edge refuses parameters that it does not know by their names.
 * @throws SluiceError bad_frame
 */
export const uiOptionsOf = (fields: Fields): UiOptions => {
  const given = flat(fields);
  const prompt = Object.fromEntries(
    OF_PROMPT.filter((name) => given.has(name)).map((name) => [name, given.get(name)]),
  );
  const system = given.get('system');
  if (system !== undefined && typeof system !== 'string') throw wrong('system', 'expected a string');
  const others = [...given].filter(([name]) => name !== 'system' && !OF_PROMPT.includes(name));
  const params = others.map(([name, value]) => [name, paramOf(name, value)] as const);
  return {
    prompt,
    params: Object.fromEntries(params.filter(([, value]) => value !== undefined)),
    system,
  };
};

/** Every field once, by the engine's name for it. Null says nothing, as with OpenAI's clients. */
const flat = (fields: Fields): ReadonlyMap<string, unknown> => {
  const found = new Map<string, unknown>();
  const add = (name: string, value: unknown): void => {
    if (value === null || value === undefined) return;
    const known = Object.hasOwn(NAME_OF, name) ? (NAME_OF[name] ?? name) : name;
    if (found.has(known)) throw wrong(known, 'expected once, got it twice');
    found.set(known, value);
  };
  for (const [name, value] of Object.entries(fields)) {
    if (!NESTED.includes(name) || value === null || value === undefined) add(name, value);
    else if (isRecord(value)) for (const [inner, each] of Object.entries(value)) add(inner, each);
    else throw wrong(name, 'expected an object');
  }
  return found;
};

const paramOf = (name: string, value: unknown): unknown => {
  if (name === 'tools') return uiToolsOf(value);
  return name === 'tool_choice' ? uiToolChoiceOf(value) : value;
};

const wrong = (field: string, expected: string): SluiceError =>
  new SluiceError('bad_frame', `\`${field.slice(0, 64)}\`: ${expected}`);
