import { afterEach, describe, expect, test } from '@jest/globals';
import { startMockServer, tokensOf } from '@sluice/simulator';
import type { MockServer, MockServerOptions } from '@sluice/simulator';
import { collect, joined, never, requestOf, waitFor } from '@sluice/testkit';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createBrotliCompress, createDeflate, createGzip } from 'node:zlib';
import type { Gzip } from 'node:zlib';
import { ModelNames } from '../../src/engines/openai/model-names.ts';
import { OpenAiEngine } from '../../src/engines/openai/openai-engine.ts';
import type { OpenAiOptions } from '../../src/engines/openai/openai-engine.ts';
import { PROFILES } from '../../src/engines/openai/profile.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const engineOf = (options: OpenAiOptions): OpenAiEngine => {
  const engine = new OpenAiEngine(options);
  closing.push(() => engine.close());
  return engine;
};

const start = async (
  mockOptions: MockServerOptions = {},
  options: Partial<OpenAiOptions> = {},
): Promise<{ mock: MockServer; engine: OpenAiEngine }> => {
  const mock = await startMockServer({
    simulated: { tokens: 20, ttftMs: 0, tokensPerSecond: 0 },
    ...mockOptions,
  });
  closing.push(() => mock.close());
  return {
    mock,
    engine: engineOf({
      upstream: mock.url,
      profile: mockOptions.quirks ?? 'openai',
      patienceMs: 0,
      ...options,
    }),
  };
};

const failureOf = async (engine: OpenAiEngine): Promise<Error & { readonly code: string }> => {
  try {
    await collect(engine.generate(requestOf('a private prompt'), never()));
  } catch (error) {
    return error as Error & { readonly code: string };
  }
  throw new Error('expected the run to fail');
};

describe('what the OpenAI engine sends', () => {
  test.each([true, false])('says who asks, unless that is turned off: %p', async (tellsAsker) => {
    const { mock, engine } = await start({}, { tellsAsker });
    const asker = { org: 'acme', user: 'Zoë Ö', session: 's' };
    await collect(engine.generate({ ...requestOf('x'), asker }, never()));
    const { headers } = mock.requests[0] ?? {};
    const told = Object.entries(headers ?? {}).filter(([name]) => name.startsWith('x-sluice-'));
    const all = {
      'x-sluice-org': 'acme',
      'x-sluice-user': 'Zo%C3%AB%20%C3%96',
      'x-sluice-session': 's',
      'x-sluice-generation': 'g1',
    };
    expect(Object.fromEntries(told)).toEqual(tellsAsker ? all : {});
  });

  test('the key as a header, an id of its own for every attempt, and the served model’s name', async () => {
    const names = new ModelNames({ aliases: { simulated: 'served' } });
    const { mock, engine } = await start({}, { apiKey: 'sk-secret', names });
    await collect(engine.generate(requestOf('x'), never()));
    await collect(engine.generate(requestOf('x'), never()));
    const [first, second] = mock.requests;
    expect(first?.headers['authorization']).toBe('Bearer sk-secret');
    expect(first?.headers['x-request-id']).toMatch(/^g1-[0-9a-f]{8}$/);
    expect(first?.headers['x-request-id']).not.toBe(second?.headers['x-request-id']);
    expect(first?.body).toMatchObject({
      model: 'served',
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test('over connections that are used again', async () => {
    const { mock, engine } = await start();
    for (let run = 0; run < 5; run += 1) await collect(engine.generate(requestOf('x'), never()));
    // The pool gives a connection back a turn later, so two of them take turns.
    expect(await mock.connections()).toBeLessThanOrEqual(2);
  });

  test('nothing when max_tokens is used up', async () => {
    const { mock, engine } = await start({ quirks: 'vllm' });
    const request = requestOf('x', { params: { max_tokens: 2 }, prefix: ['a', 'b'] });
    expect(await collect(engine.generate(request, never()))).toEqual({
      tokens: [],
      end: { reason: 'length' },
    });
    expect(mock.requests).toHaveLength(0);
  });

  test.each(['ftp://x', 'localhost:8000', '/v1'])(
    'an upstream like %s is a programmer’s error',
    (upstream) => {
      expect(() => new OpenAiEngine({ upstream })).toThrow(TypeError);
    },
  );
});

describe('failures of an upstream', () => {
  test.each([
    [400, 'upstream_rejected'],
    [401, 'upstream_rejected'],
    [404, 'upstream_rejected'],
    [408, 'upstream_unavailable'],
    [429, 'upstream_overloaded'],
    [500, 'upstream_unavailable'],
    [503, 'upstream_unavailable'],
    [302, 'upstream_protocol'],
  ])('status %i is %s, told without the server’s words', async (status, code) => {
    const { engine } = await start({ faults: { status } }, { apiKey: 'sk-secret' });
    const failure = await failureOf(engine);
    expect(failure).toMatchObject({ code, status, message: `the upstream answered ${status} (mock_fault)` });
  });

  test.each([429, 503, 529])('a %i is outlasted, and whoever watches is told', async (status) => {
    let requests = 0;
    const faults = () => ((requests += 1) <= 2 ? { status, retryAfter: '0' } : {});
    const { mock, engine } = await start({ faults }, { patienceMs: 30_000 });
    let waits = 0;
    const request = { ...requestOf('x'), onWaiting: () => (waits += 1) };
    expect((await collect(engine.generate(request, never()))).tokens).toHaveLength(20);
    expect([mock.requests.length, waits]).toEqual([3, 2]);
  });

  test.each([
    ['it says to come back later than a slot should wait', { status: 429, retryAfter: '7' }, 30_000],
    ['its time is over', { status: 503, retryAfter: '1' }, 900],
    ['it will not pass', { status: 400 }, 30_000],
  ])('a refusal is told at once when %s', async (_, faults, patienceMs) => {
    const { mock, engine } = await start({ faults }, { patienceMs });
    const upstream = { status: faults.status, code: 'mock_fault' };
    expect(await failureOf(engine)).toMatchObject({ status: faults.status, upstream });
    expect(mock.requests).toHaveLength(1);
  });

  test('an abort ends the wait', async () => {
    const { mock, engine } = await start(
      { faults: { status: 503, retryAfter: '5' } },
      { patienceMs: 30_000 },
    );
    const abort = new AbortController();
    const onWaiting = (): void => abort.abort(new Error('cancelled'));
    const run = engine.generate({ ...requestOf('x'), onWaiting }, abort.signal);
    await expect(run.next()).rejects.toThrow('cancelled');
    expect(mock.requests).toHaveLength(1);
  });

  test('a status with a body that is not JSON', async () => {
    const { engine } = await start({ faults: { status: 502, errorBody: '<html>sk-secret' } });
    expect(await failureOf(engine)).toMatchObject({ message: 'the upstream answered 502' });
  });

  test('nobody listens', async () => {
    const { mock, engine } = await start();
    await mock.close();
    expect(await failureOf(engine)).toMatchObject({
      code: 'upstream_unavailable',
      message: 'the connection to the upstream failed (ECONNREFUSED)',
    });
    await expect(engine.models(never())).rejects.toMatchObject({ code: 'upstream_unavailable' });
  });

  // compat(engines): error in stream
  test.each(PROFILES)('an error in the middle of a stream of %s', async (quirks) => {
    const { mock, engine } = await start({ quirks, faults: { errorAtToken: 6 } });
    const run = engine.generate(requestOf('x'), never());
    for (let seq = 1; seq <= 5; seq += 1)
      expect((await run.next()).value).toBe(mock.engine.script(requestOf('x')).tokenAt(seq));
    await expect(run.next()).rejects.toMatchObject({ code: 'upstream_unavailable', status: 500 });
  });

  test('a connection that is cut', async () => {
    const { engine } = await start({ faults: { cutAtToken: 6 } });
    expect(await failureOf(engine)).toMatchObject({ code: 'upstream_unavailable' });
  });

  test('a stream that ends without a finish reason', async () => {
    const { engine } = await start({ faults: { endAtToken: 6 } });
    expect(await failureOf(engine)).toMatchObject({ code: 'upstream_protocol' });
  });

  test('no first byte in time', async () => {
    const { engine } = await start({ faults: { slowFirstByteMs: 60_000 } }, { firstByteTimeoutMs: 30 });
    expect(await failureOf(engine)).toMatchObject({
      code: 'upstream_unavailable',
      message: 'the upstream sent nothing for 30 ms',
    });
  });

  test('no more bytes in time, and the upstream is let go', async () => {
    const { mock, engine } = await start({ faults: { hangAtToken: 4 } }, { idleTimeoutMs: 30 });
    expect(await failureOf(engine)).toMatchObject({ message: 'the upstream sent nothing for 30 ms' });
    await waitFor(() => mock.requests[0]?.closedAt, { what: 'the server to see the close' });
  });

  test('closing the engine', async () => {
    const { engine } = await start({ faults: { hangAtToken: 4 } });
    const failure = failureOf(engine);
    await engine.close();
    expect(await failure).toMatchObject({ code: 'upstream_unavailable' });
    expect(await failureOf(engine)).toMatchObject({ code: 'upstream_unavailable' });
  });

  test('comments alone are no answer, and keep no slot', async () => {
    const engine = await serving(
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: {"choices":[{"delta":{"content":"x"}}]}\n\n');
        const pinging = setInterval(() => response.write(': ping\n\n'), 5);
        response.on('close', () => clearInterval(pinging));
      },
      { idleTimeoutMs: 100 },
    );
    expect(await failureOf(engine)).toMatchObject({ message: 'the upstream sent nothing for 100 ms' });
  });

  test.each([
    ['a JSON document that is no answer', 'application/json', '{"welcome":true}'],
    [
      'an error in a document',
      'application/json',
      '{"error":{"message":"overloaded","code":503}}',
      'upstream_unavailable',
    ],
    ['an error that is a text', 'application/json', '{"error":"overloaded"}', 'upstream_unavailable'],
    ['a page', 'text/html', '<html>welcome</html>'],
  ])('%s instead of a stream', async (_, type, body, code = 'upstream_protocol') => {
    const engine = await serving((_request, response) => {
      response.writeHead(200, { 'content-type': type }).end(body);
    });
    expect(await failureOf(engine)).toMatchObject({ code });
  });

  test('a page instead of the list of models', async () => {
    const engine = await serving((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>welcome</html>');
    });
    await expect(engine.models(never())).rejects.toMatchObject({ code: 'upstream_protocol' });
  });
});

/** An engine of a server that answers every request so. */
const serving = async (
  answer: RequestListener,
  options: Partial<OpenAiOptions> = {},
): Promise<OpenAiEngine> => {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => new Promise((resolve) => void server.close(() => resolve())));
  const { port } = server.address() as AddressInfo;
  return engineOf({ upstream: `http://127.0.0.1:${port}/v1/`, ...options });
};

const DOCUMENT = JSON.stringify({
  choices: [{ index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'length' }],
  usage: { prompt_tokens: 3, completion_tokens: 1 },
});

describe('answers in another form', () => {
  test.each(['application/json', 'application/json; charset=utf-8', 'application/problem+json'])(
    'of a server that does not stream, as %s',
    async (type) => {
      const engine = await serving((_request, response) => {
        response.writeHead(200, { 'content-type': type }).end(DOCUMENT);
      });
      expect(await collect(engine.generate(requestOf('x'), never()))).toEqual({
        tokens: ['x'],
        end: { reason: 'length', usage: { prompt_tokens: 3, completion_tokens: 1 } },
      });
    },
  );

  test.each(['gzip', 'deflate', 'br'])(
    'compressed by a proxy: %s, each token as it comes',
    async (encoding) => {
      const compress = { gzip: createGzip, deflate: createDeflate, br: createBrotliCompress }[encoding];
      let finish = (): void => undefined;
      const engine = await serving((_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': encoding });
        const packed = compress?.() as Gzip;
        packed.pipe(response);
        packed.write('data: {"choices":[{"delta":{"content":"x"}}]}\n\n');
        packed.flush();
        finish = () => packed.end('data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n');
      });
      const run = engine.generate(requestOf('x'), never());
      expect((await run.next()).value).toBe('x');
      finish();
      expect(await run.next()).toEqual({ done: true, value: { reason: 'stop' } });
    },
  );
});

describe('ends of an upstream', () => {
  test('without [DONE]', async () => {
    const { engine } = await start({ faults: { withoutDone: true } });
    expect((await collect(engine.generate(requestOf('x'), never()))).end.reason).toBe('stop');
  });

  test('a connection that breaks after the finish reason costs the usage only', async () => {
    const finished = 'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n';
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      // Cut only once the client is sure to have read: it then waits for more.
      response.write(finished, () => setTimeout(() => response.socket?.resetAndDestroy(), 50));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => new Promise((resolve) => void server.close(() => resolve())));
    const engine = engineOf({ upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` });
    expect(await collect(engine.generate(requestOf('x'), never()))).toEqual({
      tokens: ['x'],
      end: { reason: 'stop' },
    });
  });
});

describe('an abort', () => {
  const SLOW = { source: 'ngram', tokens: 10_000, ttftMs: 0, tokensPerSecond: 500 } as const;

  test('closes the upstream at once, whoever waits for what', async () => {
    const { mock, engine } = await start({ quirks: 'vllm', simulated: SLOW });
    const latencies: number[] = [];
    for (let round = 0; round < 50; round += 1) {
      const abort = new AbortController();
      const run = engine.generate(requestOf(`round ${round}`), abort.signal);
      for (let pulled = 0; pulled < 1 + (round % 3); pulled += 1) await run.next();
      const seen = mock.requests[round];
      const aborted = performance.now();
      abort.abort(new Error('cancelled'));
      await expect(run.next()).rejects.toThrow('cancelled');
      const closed = await waitFor(() => seen?.closedAt, { what: 'the server to see the close', pollMs: 1 });
      latencies.push(closed.performanceMs - aborted);
    }
    latencies.sort((a, b) => a - b);
    // Half of them: a busy machine wakes some up late.
    expect(latencies[25]).toBeLessThan(50);
    await waitFor(() => mock.requests.every(({ stoppedAt }) => stoppedAt !== undefined), {
      what: 'all runs to stop',
    });
  });

  test('closes the upstream while nobody asks for the next token', async () => {
    const { mock, engine } = await start({ simulated: { ...SLOW, tokensPerSecond: 0 } });
    const abort = new AbortController();
    const run = engine.generate(requestOf('x'), abort.signal);
    await run.next();
    abort.abort();
    await waitFor(() => mock.requests[0]?.closedAt, { what: 'the server to see the close' });
    await expect(run.next()).rejects.toBe(abort.signal.reason);
  });

  test('before the first byte ends the request', async () => {
    const { mock, engine } = await start({ faults: { slowFirstByteMs: 60_000 } });
    const abort = new AbortController();
    const first = engine.generate(requestOf('x'), abort.signal).next();
    await waitFor(() => mock.requests.length === 1, { what: 'the request to arrive' });
    abort.abort(new Error('cancelled'));
    await expect(first).rejects.toThrow('cancelled');
    await waitFor(() => mock.requests[0]?.closedAt, { what: 'the server to see the close' });
  });
});

test('reads a text of 100,000 tokens whole', async () => {
  const { mock, engine } = await start({
    simulated: { source: 'ngram', tokens: 100_000, ttftMs: 0, tokensPerSecond: 0 },
  });
  const { tokens } = await collect(engine.generate(requestOf('x'), never()));
  const script = mock.engine.script(requestOf('x'));
  expect(tokens).toHaveLength(100_000);
  expect(joined(tokens)).toBe(joined(tokensOf(script)));
});
