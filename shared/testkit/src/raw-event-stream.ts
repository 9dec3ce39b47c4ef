import { request } from 'node:http';
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { ServerFrame } from '@sluice/protocol';
import { deferred, withTimeout } from './wait.ts';

export type RawStreamOptions = {
  readonly token?: string;
  readonly lastEventId?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  /** sent as JSON */
  readonly body?: unknown;
};

/** One block of the stream, as it came. */
export type RawEvent = {
  readonly id: string | undefined;
  /** default `message` */
  readonly event: string;
  /** lines joined by line breaks; undefined where there was none, as in a comment */
  readonly data: string | undefined;
  /** ms */
  readonly retry: number | undefined;
  readonly comment: string | undefined;
  /** ms since the Unix epoch, with fractions */
  readonly at: number;
};

/** Server-sent events below any client: nothing is interpreted, nothing is forgotten, nothing comes back. */
export type RawEventStream = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** every whole block, in order */
  readonly events: readonly RawEvent[];
  /** the data of events with a type, parsed */
  frames<Type extends ServerFrame['type']>(type: Type): Extract<ServerFrame, { readonly type: Type }>[];
  /** the newest id */
  readonly lastEventId: string | undefined;
  /** what came after the last whole block: the body of an answer that is no stream, for instance */
  readonly rest: string;
  /** Resolves when the response is over, however it ended. */
  readonly closed: Promise<void>;
  /** Stops reading the socket, as a stalled reader does. */
  pause(): void;
  resume(): void;
  /** Ends the TCP connection. */
  close(): void;
};

const OPEN_TIMEOUT_MS = 10_000;

/** Resolves when the head of the response is there, whatever its status. */
export const openEventStream = async (
  url: string,
  options: RawStreamOptions = {},
): Promise<RawEventStream> => {
  const opened = deferred<IncomingMessage>();
  const outgoing = send(url, options);
  outgoing.once('response', (response) => opened.resolve(response));
  outgoing.once('error', (error) => opened.reject(error));
  const response = await withTimeout(opened.promise, OPEN_TIMEOUT_MS, `an answer of ${url}`);
  // A connection that is cut is an end like any other here.
  outgoing.on('error', () => {});
  response.on('error', () => {});
  const closed = new Promise<void>((resolve) => response.once('close', () => resolve()));
  const events: RawEvent[] = [];
  let rest = '';
  response.setEncoding('utf8').on('data', (text: string) => {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() ?? '';
    events.push(...blocks.map(parseBlock));
  });
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    events,
    frames: (type) =>
      events.filter(({ event }) => event === type).map(({ data }) => JSON.parse(data ?? 'null') as never),
    get lastEventId() {
      return events.findLast(({ id }) => id !== undefined)?.id;
    },
    get rest() {
      return rest;
    },
    closed,
    pause: () => void response.pause(),
    resume: () => void response.resume(),
    close: () => void response.destroy(),
  };
};

const send = (url: string, options: RawStreamOptions): ClientRequest => {
  const { token, lastEventId, headers = {}, method = 'GET', body } = options;
  const outgoing = request(url, {
    method,
    // A connection of its own, so that closing the stream closes it.
    agent: false,
    headers: {
      accept: 'text/event-stream',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
  });
  outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  return outgoing;
};

const parseBlock = (block: string): RawEvent => {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    const before = name === 'data' ? fields.get('data') : undefined;
    fields.set(name, before === undefined ? value : `${before}\n${value}`);
  }
  const retry = fields.get('retry');
  return {
    id: fields.get('id'),
    event: fields.get('event') ?? 'message',
    data: fields.get('data'),
    retry: retry === undefined ? undefined : Number(retry),
    comment: fields.get(''),
    at: performance.timeOrigin + performance.now(),
  };
};
