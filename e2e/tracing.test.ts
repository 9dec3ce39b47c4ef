/** One prompt as a collector of OpenTelemetry sees it, over processes, attempts and connections. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startMockServer } from '@sluice/simulator';
import type { MockServer } from '@sluice/simulator';
import { startFaultProxy, startNatsServer, startTraceCollector, waitFor } from '@sluice/testkit';
import type { Child, CollectedSpan, FaultProxy, NatsServer, TraceCollector } from '@sluice/testkit';
import { recordedClient, tokenFor } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { spawnEdge, spawnProductionWorker } from './support/processes.ts';
import type { EdgeProcess } from './support/processes.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CLIENT_SPAN = 'b7ad6b7169203331';
const TRACEPARENT = `00-${TRACE}-${CLIENT_SPAN}-01`;
/** Words that no span may hold. */
const SECRET_WORDS = 'the launch code is swordfish';

let nats: NatsServer;
let mock: MockServer;
let collector: TraceCollector;
let edge: EdgeProcess;
let proxy: FaultProxy;
let viewer: RecordedClient;
const workers: Child[] = [];

const traced = (): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_BSP_SCHEDULE_DELAY: '50',
});

const startModel = async (tokens: number): Promise<void> => {
  mock = await startMockServer({
    quirks: 'vllm',
    simulated: { tokensPerSecond: 50, ttftMs: 10, source: 'ngram', tokens },
  });
};

const addWorker = async (name: string): Promise<Child> => {
  const worker = await spawnProductionWorker(nats.url, {
    ...{
      SLUICE_WORKER_NAME: name,
      SLUICE_ENGINE: 'openai',
      SLUICE_UPSTREAM: mock.url,
      SLUICE_UPSTREAM_PROFILE: 'vllm',
    },
    ...traced(),
  });
  workers.push(worker);
  return worker;
};

beforeEach(async () => {
  nats = await startNatsServer();
  collector = await startTraceCollector();
  edge = await spawnEdge(nats.url, traced());
  proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: edge.port } });
  viewer = recordedClient(`${proxy.url('ws')}/v1/ws`);
}, 60_000);
afterEach(async () => {
  await viewer.client.close();
  await proxy.close();
  await edge.child.kill();
  for (const worker of workers.splice(0)) await worker.kill();
  await mock.close();
  await collector.close();
  await nats.stop();
}, 60_000);

const named = (name: string): CollectedSpan[] => collector.spans.filter((span) => span.name === name);
const attemptOf = (span: CollectedSpan): unknown => span.attributes['sluice.attempt'];
const isFrom = (parent: CollectedSpan | undefined) => ({
  traceId: TRACE,
  parentSpanId: parent?.spanId,
});

test('a prompt that is handed over, resumed and stopped is one trace with the right parents', async () => {
  await startModel(5_000);
  const first = await addWorker('w-1');
  const generation = viewer.client.session('s').prompt({ input: SECRET_WORDS, traceparent: TRACEPARENT });
  await waitFor(() => generation.position.seq > 5, { what: 'the first tokens', timeoutMs: 10_000 });
  await addWorker('w-2');
  await first.kill('SIGTERM', 15_000);
  const { seq } = generation.position;
  await waitFor(() => generation.position.seq > seq + 5, { what: 'the second attempt', timeoutMs: 20_000 });
  proxy.cutAll();
  await waitFor(() => named('resume').length > 0, { what: 'the client to come back', timeoutMs: 10_000 });
  await generation.cancel();
  expect((await generation.end).reason).toBe('cancelled');
  await waitFor(() => named('generation').length === 2, { what: 'both attempts to be told' });

  const [prompt] = named('prompt');
  expect(prompt).toMatchObject({
    ...{ service: 'sluice-edge', traceId: TRACE, parentSpanId: CLIENT_SPAN, isError: false },
    attributes: { 'sluice.session': 's', 'sluice.generation': generation.id, 'sluice.created': true },
  });
  expect(named('queue')).toEqual([expect.objectContaining(isFrom(prompt))]);
  const attempts = named('generation').toSorted((a, b) => Number(attemptOf(a)) - Number(attemptOf(b)));
  expect(attempts).toMatchObject([
    { ...isFrom(prompt), attributes: { 'sluice.worker': 'w-1', 'sluice.outcome': 'requeued' } },
    { ...isFrom(prompt), attributes: { 'sluice.worker': 'w-2', 'sluice.outcome': 'cancelled' } },
  ]);
  const chats = attempts.map((attempt) =>
    collector.spans.find((span) => span.parentSpanId === attempt.spanId),
  );
  for (const [n, chat] of chats.entries())
    expect(chat).toMatchObject({
      ...{ name: 'chat simulated', service: 'sluice-worker', ...isFrom(attempts[n]) },
      attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'simulated' },
      events: [expect.objectContaining({ name: 'first_token' })],
    });
  // What the model server is told is the span that asks it.
  expect(mock.requests.map(({ headers }) => headers['traceparent'])).toEqual(
    chats.map((chat) => `00-${TRACE}-${chat?.spanId}-01`),
  );
  const [resume] = named('resume');
  expect(resume?.traceId).not.toBe(TRACE);
  expect(resume?.links).toMatchObject([{ traceId: TRACE, spanId: prompt?.spanId }]);

  const told = collector.bodies.join('');
  for (const word of [
    SECRET_WORDS,
    ...generation.text.split(' ').filter((each) => each.length > 12),
    tokenFor('ann'),
  ])
    expect(told).not.toContain(word);
}, 90_000);

test('what the worker logs of it has the ids of its session, its generation and its trace, and no text', async () => {
  await startModel(5_000);
  const worker = await addWorker('w-1');
  const generation = viewer.client.session('s').prompt({ input: SECRET_WORDS, traceparent: TRACEPARENT });
  await waitFor(() => generation.position.seq > 5, { what: 'the first tokens', timeoutMs: 10_000 });
  await mock.close();
  const lines = await worker.stderr.takeUntil((line) => line.includes('"event":"engine_failed"'), 20_000);
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
    ...{ level: 'warn', service: 'worker', event: 'engine_failed' },
    ...{ org: 'acme', session: 's', generation: generation.id, trace: TRACE },
  });
  for (const word of [SECRET_WORDS, ...generation.text.split(' ').filter((each) => each.length > 12)])
    expect(worker.output() + edge.child.output()).not.toContain(word);
}, 60_000);

type Door = (n: number) => readonly [method: string, path: string, body: object];
const said = { role: 'user', content: 'hi' };
const DOORS: readonly (readonly [string, Door])[] = [
  ['PUT of a generation', (n) => ['PUT', `/v1/sessions/s/generations/g${n}`, { input: 'hi' }]],
  ['chat completions', () => ['POST', '/v1/chat/completions', { messages: [said] }]],
  ['responses', () => ['POST', '/v1/responses', { input: 'hi' }]],
  [
    'the AI SDK',
    (n) => {
      const message = { id: `m${n}`, role: 'user', parts: [{ type: 'text', text: 'hi' }] };
      return ['POST', '/api/chat', { id: `c${n}`, messages: [message] }];
    },
  ],
];

test('every door over HTTP takes the `traceparent` of its request, and passes over a bad one', async () => {
  await startModel(5);
  await addWorker('w-1');
  const ask = async (traceparent: string, [method, path, body]: ReturnType<Door>): Promise<void> => {
    const authorization = `Bearer ${tokenFor('ann')}`;
    const response = await fetch(`${edge.url}${path}`, {
      method,
      headers: { authorization, 'content-type': 'application/json', traceparent },
      body: JSON.stringify({ ...body, model: 'simulated' }),
    });
    expect([path, response.ok]).toEqual([path, true]);
    await response.text();
  };
  for (const [, door] of DOORS) {
    await ask(TRACEPARENT, door(1));
    await ask(TRACEPARENT.replace(CLIENT_SPAN, '0'.repeat(16)), door(2));
  }
  await waitFor(() => named('prompt').length === 2 * DOORS.length, { what: 'all spans' });
  const parents = named('prompt').map(({ traceId, parentSpanId }) => [traceId === TRACE, parentSpanId]);
  expect(parents).toEqual(
    DOORS.flatMap(() => [
      [true, CLIENT_SPAN],
      [false, ''],
    ]),
  );
}, 90_000);
