import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SimulatedEngine } from '../engine/simulated-engine.ts';
import type { SimulatedOptions } from '../engine/simulated-engine.ts';
import type { MockFaults } from './faults.ts';
import { streamCompletion } from './mock-completion.ts';
import { MockRequest } from './mock-request.ts';
import { refusalBy } from './mock-refusals.ts';
import { QUIRKS } from './quirks.ts';
import type { Dialect, Quirks } from './quirks.ts';

export type MockServerOptions = {
  /** whose dialect to speak. Default `openai` */
  readonly quirks?: Dialect;
  /** what it says and how fast; default: at once */
  readonly simulated?: SimulatedOptions;
  /** what goes wrong, for all answers or by request */
  readonly faults?: MockFaults | ((request: MockRequest) => MockFaults);
  /** default 0: any free one */
  readonly port?: number;
  /** default 127.0.0.1 */
  readonly host?: string;
};

export interface MockServer {
  /** base URL as an engine's `upstream` wants it */
  readonly url: string;
  readonly port: number;
  /** chat requests, oldest first */
  readonly requests: readonly MockRequest[];
  /** the engine that its answers come from, to know what they should be */
  readonly engine: SimulatedEngine;
  /** open connections */
  connections(): Promise<number>;
  /** Hangs up on everybody. */
  close(): Promise<void>;
}

const MAX_REQUEST_BYTES = 32 * 1024 * 1024;

/** An OpenAI-compatible server without a model, with the manners of a real one. For tests and benchmarks. */
export const startMockServer = async (options: MockServerOptions = {}): Promise<MockServer> => {
  const engine = new SimulatedEngine({ ttftMs: 0, tokensPerSecond: 0, ...options.simulated });
  const requests: MockRequest[] = [];
  const server = createServer((request, response) => {
    answer(request, response, { engine, options, requests }).catch(() => response.destroy());
  });
  server.listen(options.port ?? 0, options.host ?? '127.0.0.1');
  await once(server, 'listening');
  const { port, address } = server.address() as AddressInfo;
  const connections = (): Promise<number> =>
    new Promise((resolve, reject) => {
      server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
    });
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await engine.close();
    await closed;
  };
  const base = placeIn(QUIRKS[options.quirks ?? 'openai'], '');
  return { url: `http://${address}:${port}${base}`, port, requests, engine, connections, close };
};

type Mock = {
  readonly engine: SimulatedEngine;
  readonly options: MockServerOptions;
  readonly requests: MockRequest[];
};

const answer = async (request: IncomingMessage, response: ServerResponse, mock: Mock): Promise<void> => {
  const quirks = QUIRKS[mock.options.quirks ?? 'openai'];
  const asked = `${request.method} ${request.url}`;
  if (quirks.listsModels && asked === `GET ${placeIn(quirks, '/models')}`)
    return listModels(response, mock.engine);
  if (asked !== `POST ${placeIn(quirks, '/chat/completions')}`) return refuse(response, 404, 'unknown_path');
  const body = await readJson(request);
  if (!Array.isArray(body?.['messages']) || body['stream'] !== true)
    return refuse(response, 400, 'stream_expected');
  const received = new MockRequest(request, response, body);
  mock.requests.push(received);
  const refused = refusalBy(quirks, request.headers, body);
  if (refused !== undefined) return refuse(response, refused.status, 'refused', refused);
  const { faults: given = {} } = mock.options;
  const faults = typeof given === 'function' ? given(received) : given;
  if (faults.slowFirstByteMs !== undefined)
    await delay(faults.slowFirstByteMs, undefined, { signal: received.gone });
  if (faults.status !== undefined) return refuse(response, faults.status, 'mock_fault', faults);
  if (faults.stream !== undefined)
    return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(faults.stream);
  const model = { engine: mock.engine, quirks, faults };
  await streamCompletion(received, response, model, mock.requests.length);
};

const placeIn = ({ path, query }: Quirks, what: string): string => `${path}${what}${query}`;

const listModels = async (response: ServerResponse, engine: SimulatedEngine): Promise<void> => {
  const ids = await engine.models(new AbortController().signal);
  const data = ids.map((id) => ({ id, object: 'model', created: 1_790_000_000, owned_by: 'mock' }));
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ object: 'list', data }));
};

const refuse = (
  response: ServerResponse,
  status: number,
  code: string,
  { errorBody, retryAfter }: MockFaults = {},
): void => {
  const error = { message: 'refused: Bearer sk-secret, "the prompt"', type: 'invalid_request_error', code };
  const waiting = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
  response.writeHead(status, { 'content-type': 'application/json', ...waiting });
  response.end(errorBody ?? JSON.stringify({ error }));
};

const readJson = async (request: IncomingMessage): Promise<Record<string, unknown> | undefined> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES) return undefined;
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};
