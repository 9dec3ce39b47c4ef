/** A user is thrown out who has connections of every kind to two edges while an answer is written. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { Revocation } from '@sluice/protocol';
import { SimulatedEngine } from '@sluice/simulator';
import { mintToken, openEventStream, openRawClient, openRawHttpClient, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { WebSocket } from 'ws';
import { keyOf } from '../support/clients.ts';
import { SECRET, startSystem } from '../support/system.ts';
import type { System } from '../support/system.ts';

const CONNECTIONS = process.env['ATTACKS'] === 'long' ? 1_000 : 100;
/** Slow enough that a thousand readers in one process are no load. */
const TOKENS_PER_SECOND = 5;
const EFFECT_MS = 1_000;

let system: System;
let admin: Bus;
let urls: readonly string[];
beforeAll(async () => {
  system = await startSystem();
  const edges = [await system.addEdge(), await system.addEdge()];
  urls = edges.map(({ url }) => url);
  await system.addWorker(
    new SimulatedEngine({ tokensPerSecond: TOKENS_PER_SECOND, ttftMs: 1, source: 'ngram' }),
  );
  admin = await system.bus();
});
afterAll(() => system.close());

const tokenOf = (user: string): string => mintToken({ org: 'acme', user, secret: SECRET });
const urlOf = (n: number): string => urls[n % urls.length] ?? '';
const key = keyOf('s', 'g');

/** What one reader of the answer has seen, however it reads. */
type Reader = {
  readonly kind: string;
  /** when it got something of the text last, ms since the Unix epoch */
  lastTokenAt(): number;
  /** resolves once nothing more can come */
  readonly over: Promise<unknown>;
  close(): void;
};

const framesOf = (kind: string, client: RawClient): Reader => {
  // An observer gets tokens without acks.
  client.send({ type: 'subscribe', id: 'sub', session: key.session, observe: true });
  return {
    kind,
    lastTokenAt: () => client.transcript.findLast(({ frame }) => frame?.type === 'delta')?.at ?? 0,
    over: client.closed,
    close: () => client.terminate(),
  };
};

const byWebSocket = async (url: string, token: string): Promise<Reader> =>
  framesOf('websocket', await openRawClient(`${url.replace('http', 'ws')}/v1/ws`, { token, auth: 'header' }));
const byHttp =
  (transport: 'sse' | 'poll') =>
  async (url: string, token: string): Promise<Reader> =>
    framesOf(transport, await openRawHttpClient(url, { token, transport }));

const byEvents =
  (kind: string, path: string, body?: object) =>
  async (url: string, token: string): Promise<Reader> => {
    const sent = body === undefined ? {} : { method: 'POST', body };
    const stream = await openEventStream(`${url}${path}`, { token, ...sent });
    expect([kind, stream.status]).toEqual([kind, 200]);
    return {
      kind,
      lastTokenAt: () =>
        stream.events.findLast(({ data }) => /"(delta|content|tokens)"|text-delta/.test(data ?? ''))?.at ?? 0,
      over: stream.closed,
      close: () => stream.close(),
    };
  };

/** A request that waits for the end of the answer; all it may get is a refusal. */
const byWaiting =
  (kind: string, path: string, body?: object) =>
  async (url: string, token: string): Promise<Reader> => {
    let gotAt = 0;
    const gone = new AbortController();
    const over = fetch(`${url}${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      signal: gone.signal,
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    }).then(async (response) => {
      const text = await response.text();
      if (response.status !== 401) gotAt = Date.now();
      return [response.status, text];
    });
    over.catch(() => undefined);
    return { kind, lastTokenAt: () => gotAt, over, close: () => gone.abort() };
  };

const byAiSdkSocket = async (url: string, token: string): Promise<Reader> => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ai-sdk`, {
    headers: { authorization: `Bearer ${token}` },
  });
  let lastAt = 0;
  socket.on('message', (data: Buffer) => {
    if (data.toString().includes('text-delta')) lastAt = Date.now();
  });
  const over = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise((resolve) => socket.once('open', resolve));
  socket.send(JSON.stringify({ type: 'resume', requestId: 'r', id: key.session, headers: {}, body: {} }));
  return { kind: 'ai-sdk socket', lastTokenAt: () => lastAt, over, close: () => socket.terminate() };
};

const chat = { model: 'simulated', messages: [{ role: 'user', content: 'go' }], max_tokens: 2_000 };
const ONE_OF_EACH = [
  byHttp('sse'),
  byHttp('poll'),
  byEvents('events of a session', `/v1/sessions/${key.session}/events`),
  byEvents('events of a generation', `/v1/sessions/${key.session}/generations/${key.generation}/events`),
  byEvents('ai-sdk stream', `/api/chat/${key.session}/stream`),
  byEvents('chat completion', '/v1/chat/completions', { ...chat, stream: true }),
  byEvents('response', '/v1/responses', {
    model: 'simulated',
    input: 'go',
    stream: true,
    max_output_tokens: 2_000,
  }),
  byAiSdkSocket,
  byWaiting('wait', `/v1/sessions/${key.session}/generations/${key.generation}?wait=60`),
  byWaiting('chat completion, not streamed', '/v1/chat/completions', chat),
];

const revoke = async (target: Pick<Revocation, 'of' | 'id'>): Promise<number> => {
  const now = Date.now();
  await admin.revocations.put({ org: key.org, ...target, before: now, expiresAt: now + 600_000 });
  return now;
};

test(`${CONNECTIONS} connections to two edges get no token a second after their user was revoked`, async () => {
  const token = tokenOf('mallory');
  const bystander = framesOf(
    'bystander',
    await openRawClient(`${urlOf(0).replace('http', 'ws')}/v1/ws`, { token: tokenOf('ann'), auth: 'header' }),
  );
  const asked = await fetch(`${urlOf(0)}/v1/sessions/${key.session}/generations/${key.generation}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${tokenOf('ann')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ input: 'go', governor: 'none', params: { max_tokens: 2_000 } }),
  });
  expect(asked.status).toBe(201);
  const readers = await Promise.all(
    Array.from({ length: CONNECTIONS }, (_, n) => (ONE_OF_EACH[n] ?? byWebSocket)(urlOf(n), token)),
  );
  const openedAt = Date.now();
  const isReading = ({ kind, lastTokenAt }: Reader): boolean =>
    lastTokenAt() > openedAt || kind === 'wait' || kind.endsWith('not streamed');
  const idle = (): string[] => readers.filter((reader) => !isReading(reader)).map(({ kind }) => kind);
  await waitFor(() => idle().length === 0, { what: 'a token for everybody', timeoutMs: 20_000 }).catch(() => {
    expect(idle()).toEqual([]);
  });

  const revokedAt = await revoke({ of: 'user', id: 'mallory' });
  await waitFor(() => bystander.lastTokenAt() > revokedAt + 2 * EFFECT_MS, {
    what: 'tokens for the bystander long after it',
    timeoutMs: 10_000,
  });
  const late = readers.filter(({ lastTokenAt }) => lastTokenAt() > revokedAt + EFFECT_MS);
  expect(late.map(({ kind }) => kind)).toEqual([]);
  await Promise.all(readers.map(({ over }) => over));
  const after = readers.map(({ lastTokenAt }) => Math.max(0, lastTokenAt() - revokedAt));
  process.stdout.write(
    `attack: revocation of ${CONNECTIONS} connections: last token ${Math.round(Math.max(...after))} ms after it\n`,
  );
  bystander.close();
}, 60_000);
