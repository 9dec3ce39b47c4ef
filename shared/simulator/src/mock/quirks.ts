/** The servers whose manners the mock knows. */
export const DIALECTS = [
  'openai',
  'vllm',
  'sglang',
  'llamacpp',
  'ollama',
  'azure',
  'mistral',
  'gemini',
  'anthropic-compatible',
  'openrouter',
  'litellm',
] as const;
export type Dialect = (typeof DIALECTS)[number];

/** How a real server's streams differ from the letter of OpenAI's. */
export type Quirks = {
  /** start of each response's id */
  readonly idPrefix: string;
  /** field of a delta that carries reasoning */
  readonly reasoningField: 'reasoning' | 'reasoning_content';
  /** fields every delta repeats, whatever it brings */
  readonly everyDelta: Readonly<Record<string, unknown>>;
  /** a first chunk with nothing but the role, with this content; undefined: there is none */
  readonly roleChunk: '' | null | undefined;
  /** sends each tool call whole instead of piece by piece */
  readonly hasWholeToolCalls: boolean;
  /** begins with a comment line, as servers and proxies send to keep a connection alive */
  readonly hasComments: boolean;
  /** what else the chunk with the finish reason holds */
  readonly lastChunk: Readonly<Record<string, unknown>>;
  /** a mid-stream error is a field of its own instead of data */
  readonly hasErrorField: boolean;
  /** continues a trailing assistant message: if asked by flags, without being asked, or never */
  readonly continuation: 'flag' | 'always' | 'never';
  /** before `/chat/completions` */
  readonly path: string;
  /** the query without which nothing is there */
  readonly query: string;
  /** lists its models beside that path */
  readonly listsModels: boolean;
  /** takes a key in a header `api-key` only */
  readonly hasOwnKeyHeader: boolean;
  /** ends each stream with its usage, asked for or not */
  readonly alwaysTellsUsage: boolean;
  /** fields of a request and roles that it does not have */
  readonly unknown: readonly string[];
  /** refuses lines of one role that follow each other */
  readonly alternates: boolean;
  /** when a client's hang-up stops the model: at once, with the first token, or ms later */
  readonly stops: 'at_once' | 'after_prefill' | { readonly lateMs: number };
};

const OPENAI: Quirks = {
  idPrefix: 'chatcmpl-',
  reasoningField: 'reasoning_content',
  everyDelta: {},
  roleChunk: '',
  hasWholeToolCalls: false,
  hasComments: false,
  lastChunk: {},
  hasErrorField: false,
  continuation: 'never',
  path: '/v1',
  query: '',
  listsModels: true,
  hasOwnKeyHeader: false,
  alwaysTellsUsage: false,
  unknown: [],
  alternates: false,
  stops: 'at_once',
};

export const QUIRKS: Readonly<Record<Dialect, Quirks>> = {
  openai: OPENAI,
  vllm: { ...OPENAI, reasoningField: 'reasoning', lastChunk: { stop_reason: null }, continuation: 'flag' },
  sglang: {
    ...OPENAI,
    idPrefix: '',
    everyDelta: { role: null, content: null, reasoning_content: null, tool_calls: null },
    lastChunk: { matched_stop: 2 },
    continuation: 'flag',
    stops: { lateMs: 150 },
  },
  llamacpp: {
    ...OPENAI,
    roleChunk: null,
    hasComments: true,
    lastChunk: { timings: { prompt_n: 9, predicted_per_second: 20.5 } },
    hasErrorField: true,
    continuation: 'always',
    stops: 'after_prefill',
  },
  ollama: {
    ...OPENAI,
    reasoningField: 'reasoning',
    everyDelta: { role: 'assistant', content: '' },
    roleChunk: undefined,
    hasWholeToolCalls: true,
    continuation: 'always',
  },
  azure: {
    ...OPENAI,
    path: '/openai/deployments/mock',
    query: '?api-version=2024-10-21',
    listsModels: false,
    hasOwnKeyHeader: true,
  },
  mistral: {
    ...OPENAI,
    idPrefix: '',
    alwaysTellsUsage: true,
    unknown: ['stream_options', 'max_completion_tokens', 'seed', 'developer'],
    alternates: true,
  },
  gemini: { ...OPENAI, path: '/v1beta/openai' },
  'anthropic-compatible': { ...OPENAI, idPrefix: 'msg_' },
  openrouter: {
    ...OPENAI,
    idPrefix: 'gen-',
    path: '/api/v1',
    reasoningField: 'reasoning',
    hasComments: true,
  },
  litellm: OPENAI,
};
