import { openEventStream } from '@sluice/testkit';
import type { MintOptions, RawEventStream, RawStreamOptions } from '@sluice/testkit';
import { tokenOf } from './world.ts';
import type { TestEdge } from './world.ts';

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  /** parsed, where it is JSON */
  readonly body: unknown;
  readonly text: string;
};

export type RequestOptions = {
  readonly method?: string;
  /** whose token is sent; undefined: none */
  readonly as?: Partial<MintOptions> | undefined;
  /** sent as JSON; a string or bytes as they are */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};

/** One HTTP request to an edge; org acme, user ann by default. */
export const request = async (
  { edge }: TestEdge,
  path: string,
  options: RequestOptions = {},
): Promise<Answer> => {
  const { method = 'GET', body, headers = {} } = options;
  const as = 'as' in options ? options.as : {};
  const response = await fetch(`${edge.url}${path}`, {
    method,
    headers: {
      ...(as === undefined ? {} : { authorization: `Bearer ${tokenOf(as)}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? (JSON.parse(text) as unknown) : undefined,
    text,
  };
};

/** The code in the body of an answer that is an error. */
export const codeIn = ({ body }: Answer): string | undefined =>
  (body as { error?: { code?: string } } | undefined)?.error?.code;

export const pathOf = (session: string, generation?: string): string =>
  `/v1/sessions/${session}${generation === undefined ? '' : `/generations/${generation}`}`;

/** Opens a stream of events on an edge, closed with the world at the latest; org acme, user ann by default. */
export const openStream = (
  { edge }: TestEdge,
  path: string,
  { as, ...options }: RawStreamOptions & { readonly as?: Partial<MintOptions> } = {},
): Promise<RawEventStream> => openEventStream(`${edge.url}${path}`, { token: tokenOf(as), ...options });
