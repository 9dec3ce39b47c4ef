/**
 * What becomes of the parameters of OpenAI's APIs and their relatives, by whatever door they come.
 * `passed`: the engine gets it. `ignored`: it says how an answer is delivered, billed or kept, which Sluice does its own way.
 * `only`: accepted where it asks for what happens anyhow, and then left out; any other value is refused by name.
 * A name that is not here is refused.
 */
export type ParameterRule =
  | { readonly type: 'passed' }
  | { readonly type: 'ignored'; readonly why: string }
  | { readonly type: 'only'; readonly values: readonly unknown[]; readonly why: string };

const passed: ParameterRule = { type: 'passed' };
const ignored = (why: string): ParameterRule => ({ type: 'ignored', why });
const only = (values: readonly unknown[], why: string): ParameterRule => ({ type: 'only', values, why });

const ONE_ANSWER = 'there is one answer to a request';
const NO_PROBABILITIES = 'engines are not asked for probabilities';
const DELIVERY = 'how an answer is delivered is the door’s own';
const KEPT = 'answers are kept for the server’s retention time';
const NO_CACHE_KEYS = 'sessions decide which engine’s cache is used';
const TEXT_ONLY = 'answers are text';
const TOOLS = 'expected `tools` and `tool_choice` in its place';

/**
 * Those that are passed shape one answer, and cost no more than its tokens. Not here: what jumps the queue (`priority`),
 * compiles what a user wrote (`guided_regex`, `chat_template_kwargs`), or goes into the server itself.
 */
export const PARAMETERS: Readonly<Record<string, ParameterRule>> = {
  temperature: passed,
  top_p: passed,
  max_tokens: passed,
  max_completion_tokens: passed,
  stop: passed,
  seed: passed,
  presence_penalty: passed,
  frequency_penalty: passed,
  response_format: passed,
  tools: passed,
  tool_choice: passed,
  parallel_tool_calls: passed,
  reasoning_effort: passed,
  verbosity: passed,
  user: passed,
  stream: ignored(DELIVERY),
  stream_options: ignored(DELIVERY),
  background: ignored(DELIVERY),
  include: ignored(DELIVERY),
  store: ignored(KEPT),
  metadata: ignored('it is not told to engines; responses tell it again'),
  client_metadata: ignored('it is not told to engines'),
  prompt_cache_key: ignored(NO_CACHE_KEYS),
  prompt_cache_retention: ignored(NO_CACHE_KEYS),
  safety_identifier: ignored('users are known by their credentials'),
  service_tier: ignored('there is one queue, and it is fair'),
  truncation: ignored('nothing is left out of what a client gives'),
  n: only([1], ONE_ANSWER),
  best_of: only([1], ONE_ANSWER),
  echo: only([false], 'an answer is what follows the prompt'),
  suffix: only([''], 'an answer is what follows the prompt'),
  logprobs: only([false], NO_PROBABILITIES),
  top_logprobs: only([0], NO_PROBABILITIES),
  logit_bias: only([{}], 'tokens have other numbers in every engine'),
  audio: only([], TEXT_ONLY),
  modalities: only([['text']], TEXT_ONLY),
  prediction: only([], 'engines are not told what they may say'),
  web_search_options: only([], 'nobody searches the web here'),
  functions: only([[]], TOOLS),
  function_call: only(['none', 'auto'], TOOLS),
  max_tool_calls: only([], 'tools are run by the client'),
};

const namesOf = (type: ParameterRule['type']): readonly string[] =>
  Object.entries(PARAMETERS)
    .filter(([, rule]) => rule.type === type)
    .map(([name]) => name);

export const USUAL_PARAMS: readonly string[] = namesOf('passed');

/** The same, of servers that are no product of OpenAI. */
export const SAMPLING_PARAMS: readonly string[] = ['top_k', 'min_p', 'repetition_penalty'];

/** Bounds on the whole answer. */
export const OUTPUT_BOUNDS = ['max_tokens', 'max_completion_tokens'] as const;

/** How clients write that they set no bound. */
const UNBOUNDED: ReadonlySet<unknown> = new Set([-1, 0]);
const BOUNDS: ReadonlySet<string> = new Set(OUTPUT_BOUNDS);

type Params = Readonly<Record<string, unknown>>;

/**
 * The parameters without what asks for nothing: null, no bound, what is ignored, and what happens anyhow. So two requests that
 * mean the same are the same. @param allowed those that the operator lets pass
 */
export const withoutIdle = (params: Params, allowed: readonly string[]): Params =>
  Object.fromEntries(
    Object.entries(params).filter(([name, value]) => allowed.includes(name) || !isIdle(name, value)),
  );

const isIdle = (name: string, value: unknown): boolean => {
  if (value === null || value === undefined) return true;
  if (BOUNDS.has(name)) return UNBOUNDED.has(value);
  const rule = ruleOf(name);
  return (
    rule?.type === 'ignored' || (rule?.type === 'only' && rule.values.some((each) => isSame(each, value)))
  );
};

/** Of the few and small values in the table. */
const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** Why a parameter that would change something is refused; undefined: the table knows no reason. */
export const refusedValue = (name: string): string | undefined => {
  const rule = ruleOf(name);
  if (rule?.type !== 'only') return undefined;
  const expected = rule.values.map((value) => `\`${JSON.stringify(value)}\``).join(' or ');
  return `\`${name}\`: expected ${expected === '' ? 'none' : expected}: ${rule.why}`;
};

const ruleOf = (name: string): ParameterRule | undefined =>
  Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
