/** The API's documents are those of the running edge: linted, complete, and true of what it answers. */
import { execFile } from 'node:child_process';
import { subscribe as onChannel, unsubscribe as offChannel } from 'node:diagnostics_channel';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Edge } from '@sluice/edge';
import { CLIENT_FRAME_TYPES, SERVER_FRAME_TYPES } from '@sluice/protocol';
import { openRawClient, waitFor } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import { z } from 'zod';
import { tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const REPOSITORY = join(import.meta.dirname, '..');
const REDOCLY = join(REPOSITORY, 'node_modules/@redocly/cli/bin/cli.js');

type Media = Readonly<Record<string, { readonly schema?: object }>>;
type Operation = {
  readonly security?: readonly unknown[];
  readonly responses: Readonly<Record<string, { readonly content?: Media }>>;
};
type ApiDocument = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly channels: { readonly socket: { readonly messages: object } };
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
};
type Route = { readonly method: string | readonly string[]; readonly url: string };

let system: System;
let edge: Edge;
let openApi: ApiDocument;
let asyncApi: ApiDocument;
/** what fastify was told to serve, `GET /v1/…` */
const registered = new Set<string>();

const onServer = (message: unknown): void => {
  const { fastify } = message as {
    fastify: { addHook(name: 'onRoute', hook: (route: Route) => void): void };
  };
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) registered.add(`${each} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
  });
};

const documentAt = async (path: string): Promise<ApiDocument> => {
  const response = await fetch(`${edge.url}${path}`);
  expect(response.status).toBe(200);
  return (await response.json()) as ApiDocument;
};

beforeAll(async () => {
  onChannel('fastify.initialization', onServer);
  system = await startSystem();
  edge = await system.addEdge();
  offChannel('fastify.initialization', onServer);
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 0, ttftMs: 1, source: 'ngram' }));
  openApi = await documentAt('/v1/openapi.json');
  asyncApi = await documentAt('/v1/asyncapi.json');
});
afterAll(() => system.close());

/** A schema out of a document, with everything it refers to. */
const schemaIn = ({ components }: ApiDocument, part: object): z.ZodType => {
  const local = JSON.stringify({ ...part, $defs: components.schemas });
  return z.fromJSONSchema(JSON.parse(local.replaceAll('#/components/schemas/', '#/$defs/')) as never);
};

const operations = (): { name: string; path: string; method: string; operation: Operation }[] =>
  Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const upper = method.toUpperCase();
      return { name: `${upper} ${path}`, path, method: upper, operation };
    }),
  );

/** What the document says of an answer; fails where it says nothing. */
const documentedMedia = ({ responses }: Operation, status: number): Media | undefined => {
  const documented = responses[status] ?? responses[`${Math.floor(status / 100)}XX`];
  if (documented === undefined) throw new Error(`expected a documented status, got ${status}`);
  return documented.content;
};

/** Asks the edge, and holds its answer against the document. */
const ask = async (name: string, url: string, init: RequestInit = {}): Promise<Response> => {
  const operation = operations().find((entry) => entry.name === name)?.operation;
  if (operation === undefined) throw new Error(`expected ${name} in the document`);
  const method = name.split(' ')[0] ?? 'GET';
  const response = await fetch(`${edge.url}${url}`, { method, ...init });
  const media = documentedMedia(operation, response.status);
  const [type = ''] = (response.headers.get('content-type') ?? '').split(';');
  if (media === undefined) expect(await response.clone().text()).toBe('');
  else expect(Object.keys(media)).toContain(type);
  const schema = media?.['application/json']?.schema;
  if (schema !== undefined && type === 'application/json')
    schemaIn(openApi, schema).parse(await response.clone().json());
  return response;
};

test('both documents pass the linter', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-documents-'));
  const files = [join(folder, 'openapi.json'), join(folder, 'asyncapi.json')] as const;
  await writeFile(files[0], JSON.stringify(openApi));
  await writeFile(files[1], JSON.stringify(asyncApi));
  const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
  const lint = await new Promise<{ failed: boolean; report: string }>((resolve) =>
    execFile(process.execPath, [REDOCLY, 'lint', ...files], { env, cwd: folder }, (error, stdout, stderr) =>
      resolve({ failed: error !== null, report: stdout + stderr }),
    ),
  );
  await rm(folder, { recursive: true });
  expect(lint).toMatchObject({ failed: false, report: expect.stringContaining('valid') });
  expect(lint.report).not.toMatch(/\b(warning|error) was generated\b/i);
}, 60_000);

describe('the OpenAPI document', () => {
  test('has exactly the routes that are registered', () => {
    expect(
      operations()
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual([...registered].toSorted());
    expect(registered.size).toBeGreaterThan(8);
  });

  test('has exactly the routes of docs/PROTOCOL.md', async () => {
    const page = await readFile(join(REPOSITORY, 'docs/PROTOCOL.md'), 'utf8');
    const bare = (route: string): string => route.replace(/\?.*/, '').replaceAll(/\{\w+\}/g, '{}');
    const named = new Set(
      [...page.matchAll(/`((?:GET|PUT|PATCH|POST|DELETE) \/[^`]*)`/g)].map(([, route = '']) => bare(route)),
    );
    named.delete('GET /v1/ws');
    expect([...named].toSorted()).toEqual([...registered].map(bare).toSorted());
  });

  test('names only routes that answer, and says which need a token', async () => {
    for (const { name, path, method, operation } of operations()) {
      const url = path.replaceAll(/\{\w+\}/g, 'x');
      const response = await fetch(`${edge.url}${url}`, { method });
      const isOpen = operation.security?.length === 0;
      expect([name, response.status]).toEqual([name, isOpen ? 200 : 401]);
      await response.body?.cancel();
    }
  });

  test('describes what is answered, whatever the answer', async () => {
    const authorization = `Bearer ${tokenFor('ann')}`;
    const [put, get, cancel] = ['PUT', 'GET', 'DELETE'].map(
      (method) => `${method} /v1/sessions/{session}/generations/{generation}`,
    ) as [string, string, string];
    const url = '/v1/sessions/s/generations/g';
    const body = (input: string): RequestInit => ({
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ input }),
    });
    const own = { headers: { authorization } };
    const statuses = [
      await ask(put, url, body('hello')),
      await ask(get, `${url}?wait=20`, own),
      await ask(put, url, body('hello')),
      await ask(put, url, body('else')),
      await ask(put, `${url}2`, { ...body(''), body: '{' }),
      await ask(get, `${url}3`, own),
      await ask(cancel, url, own),
      await ask('GET /v1/sessions/{session}', '/v1/sessions/s', own),
      await ask('GET /v1/sessions/{session}', '/v1/sessions/a.b', own),
      await ask('GET /v1/models', '/v1/models', own),
      await ask(`${get}/events`, `${url}/events`, own),
      await ask(`${get}/events`, `${url}/events`, { headers: { authorization, 'last-event-id': '0-1-end' } }),
      await ask('GET /v1/events', '/v1/events?sessions=x*', own),
    ].map(({ status }) => status);
    expect(statuses).toEqual([201, 200, 200, 409, 400, 404, 202, 200, 400, 200, 200, 204, 400]);
  });

  test('describes what OpenAI’s clients are answered', async () => {
    const headers = { authorization: `Bearer ${tokenFor('ann')}`, 'content-type': 'application/json' };
    const short = { simulated: { tokens: 5 } };
    const chat = { messages: [{ role: 'user', content: 'x' }], ...short };
    const named = { ...headers, 'x-sluice-session': 'o', 'x-sluice-generation': 'r' };
    const post = (body: object, own = headers): RequestInit => ({ headers: own, body: JSON.stringify(body) });
    const completions = 'POST /v1/chat/completions';
    const [create, get] = ['POST /v1/responses', 'GET /v1/responses/{response}'] as [string, string];
    const statuses = [
      await ask(completions, '/v1/chat/completions', post(chat)),
      await ask(completions, '/v1/chat/completions', post({ ...chat, stream: true })),
      await ask(completions, '/v1/chat/completions', post({ ...chat, n: 2 })),
      await ask(create, '/v1/responses', post({ input: 'x', ...short }, named)),
      await ask(create, '/v1/responses', post({ input: 'y', ...short }, named)),
      await ask(get, '/v1/responses/o.r', { headers }),
      await ask(get, '/v1/responses/o.r?stream=true', { headers }),
      await ask(get, '/v1/responses/none', { headers }),
      await ask('POST /v1/responses/{response}/cancel', '/v1/responses/o.r/cancel', { headers }),
    ].map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 400, 200, 409, 200, 200, 404, 200]);
  });

  test('would not describe anything', () => {
    const item = schemaIn(openApi, { $ref: '#/components/schemas/GenerationItem' });
    expect(item.safeParse({ id: 'g', kind: 'generation' }).success).toBe(false);
    const refusal = schemaIn(openApi, { $ref: '#/components/schemas/Error' });
    expect(refusal.safeParse({ error: { code: 'nonsense', message: '', retryable: true } }).success).toBe(
      false,
    );
  });
});

describe('the AsyncAPI document', () => {
  test('has every frame of the protocol, either way', () => {
    const expected = [
      ...CLIENT_FRAME_TYPES.map((type) => `client.${type}`),
      ...SERVER_FRAME_TYPES.map((type) => `server.${type}`),
    ];
    expect(Object.keys(asyncApi.channels.socket.messages)).toEqual(expected);
    expect(Object.keys(asyncApi.components.schemas)).toEqual(expect.arrayContaining(expected));
  });

  test('describes the frames of a real connection', async () => {
    const client = await openRawClient(`${edge.url.replace('http', 'ws')}/v1/ws`, { token: tokenFor('ann') });
    await client.nextFrame('ready');
    const short = { simulated: { tokens: 20 } };
    client.send({ type: 'prompt', id: '1', session: 'a', generation: 'g', input: 'x', params: short });
    client.send({ type: 'message', id: '2', session: 'a', message: 'm', text: 'x', data: { any: 1 } });
    client.send({ type: 'cancel', id: '3', session: 'a', generation: 'none' });
    client.send({ type: 'ping' });
    client.send({ type: 'subscribe', id: '4', session: 'a', positions: { g: { epoch: 9, seq: 9 } } });
    await waitFor(() => client.frames('end').length > 0, { what: 'the end' });
    await waitFor(() => client.frames('reset').length > 0, { what: 'a reset' });
    for (const { frame } of client.transcript) {
      const schema = schemaIn(asyncApi, { $ref: `#/components/schemas/server.${frame?.type ?? ''}` });
      expect(schema.safeParse(frame)).toMatchObject({ success: true });
    }
    const seen = new Set(client.frames().map(({ type }) => type));
    for (const type of [
      'ready',
      'subscribed',
      'item',
      'delta',
      'end',
      'ok',
      'error',
      'pong',
      'reset',
    ] as const)
      expect(seen).toContain(type);
    client.terminate();
  });
});
