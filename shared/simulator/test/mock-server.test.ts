import { afterEach, describe, expect, test } from '@jest/globals';
import { readyMessage, spawnNode, waitFor } from '@sluice/testkit';
import { fileURLToPath } from 'node:url';
import { startMockServer } from '../src/index.ts';
import type { MockServer, MockServerOptions } from '../src/index.ts';
import { DIALECTS } from '../src/mock/quirks.ts';

const servers: MockServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

const start = async (options: MockServerOptions): Promise<MockServer> => {
  const server = await startMockServer(options);
  servers.push(server);
  return server;
};

const post = (url: string, body: object, signal?: AbortSignal): Promise<Response> =>
  fetch(url.replace(/(?=\?)|$/, '/chat/completions'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x' }], stream: true, ...body }),
    ...(signal === undefined ? {} : { signal }),
  });

describe('the mock server', () => {
  test('tells some clients what it took although they did not, and could not, ask', async () => {
    const server = await start({ quirks: 'mistral', simulated: { tokens: 3 } });
    expect(await (await post(server.url, {})).text()).toContain('"completion_tokens":3');
    const refused = await post(server.url, { stream_options: { include_usage: true } });
    expect(refused.status).toBe(422);
  });

  const asking = DIALECTS.filter((each) => each !== 'mistral');
  test.each(asking)('sends usage to %s’s clients only if asked', async (quirks) => {
    const server = await start({ quirks, simulated: { tokens: 3 } });
    expect(await (await post(server.url, {})).text()).not.toContain('"usage"');
    const asked = await (await post(server.url, { stream_options: { include_usage: true } })).text();
    expect(asked).toMatch(/"choices":\[\],"usage":\{.*"completion_tokens":3.*\}\}\n\ndata: \[DONE\]\n\n$/);
  });

  test('speaks the dialect of each server', async () => {
    const wires = new Map<string, string>();
    for (const quirks of DIALECTS) {
      const server = await start({ quirks, simulated: { tokens: 4, reasoningTokens: 2 } });
      wires.set(quirks, await (await post(server.url, {})).text());
    }
    expect(wires.get('vllm')).toContain('"delta":{"reasoning":');
    expect(wires.get('ollama')).toContain('"delta":{"role":"assistant","content":"","reasoning":');
    expect(wires.get('openai')).toContain('"delta":{"reasoning_content":');
    expect(wires.get('sglang')).toContain('"tool_calls":null');
    expect(wires.get('llamacpp')).toMatch(
      /^: keep-alive\n\ndata: .*"delta":\{"role":"assistant","content":null\}/,
    );
    expect(wires.get('llamacpp')).toContain('"timings"');
  });

  test.each([
    ['vllm', 0, 20],
    ['sglang', 140, 1_000],
    ['llamacpp', 0, 20],
  ] as const)('stops as late as %s once a client hangs up', async (quirks, leastMs, mostMs) => {
    const server = await start({
      quirks,
      simulated: { tokens: 10_000, tokensPerSecond: 500, source: 'ngram' },
    });
    const abort = new AbortController();
    const response = await post(server.url, {}, abort.signal);
    const reader = response.body?.getReader();
    await waitFor(() => (server.requests[0]?.tokensSent ?? 0) > 0, { what: 'a token' });
    await reader?.read();
    abort.abort();
    const request = server.requests[0];
    const stopped = await waitFor(() => request?.stoppedAt, { what: 'the model to stop' });
    const closed = request?.closedAt?.performanceMs ?? Number.NaN;
    expect(stopped.performanceMs - closed).toBeGreaterThanOrEqual(leastMs);
    expect(stopped.performanceMs - closed).toBeLessThan(mostMs + 100);
  });

  test('as llama.cpp it notices a hang-up only after prefill', async () => {
    const server = await start({
      quirks: 'llamacpp',
      simulated: { ttftMs: 200, tokensPerSecond: 100, tokens: 500 },
    });
    const abort = new AbortController();
    await post(server.url, {}, abort.signal);
    abort.abort();
    const request = server.requests[0];
    await waitFor(() => request?.closedAt, { what: 'the close' });
    expect(request?.stoppedAt).toBeUndefined();
    await waitFor(() => request?.stoppedAt, { what: 'the model to stop' });
    expect(request?.tokensGenerated).toBeGreaterThan(0);
    expect(request?.tokensGenerated).toBeLessThan(10);
  });

  test('gives faults by request', async () => {
    const server = await start({ faults: ({ body }) => (body['user'] === 'bad' ? { status: 418 } : {}) });
    expect((await post(server.url, { user: 'bad' })).status).toBe(418);
    const good = await post(server.url, { user: 'good', simulated: { tokens: 1 } });
    expect(good.status).toBe(200);
    await good.text();
  });

  test('refuses what is not a streamed chat', async () => {
    const server = await start({});
    expect((await post(server.url, { stream: false })).status).toBe(400);
    expect((await fetch(`${server.url}/embeddings`)).status).toBe(404);
  });
});

test('the mock as a program says when it is ready and ends on SIGTERM', async () => {
  const main = fileURLToPath(new URL('../src/mock/mock-main.ts', import.meta.url));
  const child = await spawnNode(main, ['--quirks', 'vllm'], { env: { MOCK_TOKENS_PER_SECOND: '0' } });
  try {
    const ready = await readyMessage(child);
    expect(ready).toMatchObject({ ready: true, quirks: 'vllm', port: expect.any(Number) });
    const text = await (await post(String(ready['url']), {})).text();
    expect(text).toContain('[DONE]');
  } finally {
    expect(await child.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  }
});
