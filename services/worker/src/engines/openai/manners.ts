import type { ChatMessage, UpstreamError } from '@sluice/protocol';
import { alternating } from './alternation.ts';

/** Of `POST /chat/completions`. */
export type RequestBody = { readonly [field: string]: unknown };

/** One thing in which servers differ, and by which a request is refused. */
type Manner = {
  /** whether a refusal says that this is what it wants, by the field it names or by its words */
  readonly isMeant: (refusal: Refusal) => boolean;
  readonly apply: (body: RequestBody) => RequestBody;
};

/** `words` in lower case */
type Refusal = { readonly param: string; readonly words: string };

const without = (body: RequestBody, field: string): RequestBody => {
  const { [field]: _, ...rest } = body;
  return rest;
};

const renamed =
  (from: string, to: string) =>
  (body: RequestBody): RequestBody =>
    body[from] === undefined ? body : { ...without(body, from), [to]: body[from] };

/** Words for a field that a server does not have: of one it has, it may say that the value is wrong. */
const NO_SUCH_FIELD =
  /unsupported|not supported|unknown|unrecogni[sz]ed|not permitted|not allowed|extra|unexpected|use 'max_completion_tokens'/;

const isUnknown =
  (field: string) =>
  ({ param, words }: Refusal): boolean =>
    NO_SUCH_FIELD.test(words) &&
    (param === field || (param === '' && new RegExp(`\\b${field}\\b`).test(words)));

const alternated = (body: RequestBody): RequestBody => ({
  ...body,
  messages: alternating(body['messages'] as readonly ChatMessage[]),
});

const systemRole = (body: RequestBody): RequestBody => ({
  ...body,
  messages: (body['messages'] as readonly ChatMessage[]).map((message) =>
    message.role === 'developer' ? { ...message, role: 'system' } : message,
  ),
});

/** In the order in which they are tried. */
const MANNERS = {
  no_stream_options: {
    isMeant: isUnknown('stream_options'),
    apply: (body) => without(body, 'stream_options'),
  },
  max_completion_tokens: {
    isMeant: isUnknown('max_tokens'),
    apply: renamed('max_tokens', 'max_completion_tokens'),
  },
  max_tokens: {
    isMeant: isUnknown('max_completion_tokens'),
    apply: renamed('max_completion_tokens', 'max_tokens'),
  },
  random_seed: { isMeant: isUnknown('seed'), apply: renamed('seed', 'random_seed') },
  system_role: { isMeant: ({ words }) => /\bdeveloper\b/.test(words), apply: systemRole },
  alternation: { isMeant: ({ words }) => /roles? must alternate/.test(words), apply: alternated },
} as const satisfies Readonly<Record<string, Manner>>;

export type MannerName = keyof typeof MANNERS;

const REFUSED: ReadonlySet<number> = new Set([400, 422]);

/**
 * What one server wants otherwise than others, learned from its refusals: each costs one request, once. Only from a refusal
 * that names it, and only where it changes the request: otherwise that would be refused again.
 */
export class Manners {
  readonly #learned: Set<Manner>;

  /** @param known those that need not be learned */
  constructor(known: readonly MannerName[] = []) {
    this.#learned = new Set(known.map((name) => MANNERS[name]));
  }

  /** How many were learned. */
  get count(): number {
    return this.#learned.size;
  }

  learnFrom({ status = 0, param = '', code = '', message = '' }: UpstreamError, body: RequestBody): void {
    const refusal = { param, words: `${code} ${message}`.toLowerCase() };
    const manner = Object.values<Manner>(MANNERS).find(
      (each) => !this.#learned.has(each) && each.isMeant(refusal),
    );
    if (manner === undefined || !REFUSED.has(status)) return;
    if (JSON.stringify(manner.apply(body)) !== JSON.stringify(body)) this.#learned.add(manner);
  }

  applied(body: RequestBody): RequestBody {
    return [...this.#learned].reduce((asked, { apply }) => apply(asked), body);
  }
}
