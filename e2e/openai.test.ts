/** OpenAI's own clients, this major and the one before, against whole systems. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { startChild, waitFor } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import OpenAI from 'openai';
import PreviousOpenAI from 'openai-previous';
import { keyOf, storedText, tokenFor } from './support/clients.ts';
import { spawnEdge } from './support/processes.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const MODEL = 'simulated';

let system: System;
let bus: Bus;
let urls: readonly [string, string];

beforeAll(async () => {
  system = await startSystem();
  bus = await system.bus();
  const edges = [await system.addEdge(), await system.addEdge()] as const;
  urls = [edges[0].url, edges[1].url];
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 400, ttftMs: 20, source: 'ngram' }));
});
afterAll(() => system.close());

const itemOf = async (session: string, id = session): Promise<StoredGeneration | undefined> => {
  const key = keyOf(session, id);
  const item = (await bus.sessions.item(key, key.generation))?.item;
  return item?.kind === 'generation' ? item : undefined;
};
const doneItem = (id: string): Promise<StoredGeneration> =>
  waitFor(
    async () => {
      const item = await itemOf(id);
      return item?.status === 'done' ? item : undefined;
    },
    { what: 'the item to be done' },
  );

/** What the clients' types do not know passes through all the same. */
const simulated = (settings: object): object => ({ simulated: settings });
const say = (content: string) => [{ role: 'user' as const, content }];

/** As `output_text`, which the older client's helper does not fill in. */
const saidIn = ({ output }: OpenAI.Responses.Response): string =>
  output
    .flatMap((entry) => (entry.type === 'message' ? entry.content : []))
    .map((part) => ('text' in part ? part.text : ''))
    .join('');

describe.each([
  ['openai', OpenAI],
  ['openai, the major before', PreviousOpenAI as unknown as typeof OpenAI],
])('the client %s', (_name, Client) => {
  const clientOf = (url = urls[0], apiKey = tokenFor('ann')): OpenAI =>
    new Client({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

  // compat(openai-node, openai-node-previous): models
  test('lists the models', async () => {
    // An edge looks who is there every other second.
    const model = await waitFor(async () => (await clientOf().models.list()).data[0], { what: 'a model' });
    expect(model).toMatchObject({ id: MODEL, object: 'model' });
  });

  // compat(openai-node, openai-node-previous): chat stream, reasoning, usage
  test('streams a chat completion: reasoning, text, usage, all under one id', async () => {
    const stream = await clientOf().chat.completions.create({
      ...{ model: MODEL, messages: say(randomUUID()), stream: true },
      stream_options: { include_usage: true },
      ...simulated({ tokens: 60, reasoningTokens: 20 }),
    });
    let text = '';
    let reasoning = '';
    const ids = new Set<string>();
    const chunks = [];
    for await (const chunk of stream) {
      chunks.push(chunk);
      ids.add(chunk.id);
      const delta = chunk.choices[0]?.delta as { content?: string; reasoning_content?: string } | undefined;
      text += delta?.content ?? '';
      reasoning += delta?.reasoning_content ?? '';
    }
    const [id = ''] = ids;
    expect(ids.size).toBe(1);
    expect(chunks[0]?.choices[0]?.delta).toMatchObject({ role: 'assistant', content: '' });
    expect(chunks.at(-2)?.choices).toMatchObject([{ finish_reason: 'stop' }]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 60 } });
    expect(text).toBe(await storedText(bus, keyOf(id, id)));
    expect(await doneItem(id)).toMatchObject({ text, reasoning, seq: 60 });
  });

  // compat(openai-node, openai-node-previous): chat, usage
  test('gets an answer in one piece', async () => {
    const messages = say(randomUUID());
    const completion = await clientOf().chat.completions.create({
      ...{ model: MODEL, messages, max_completion_tokens: 30 },
      ...simulated({ tokens: 40 }),
    });
    expect(completion).toMatchObject({
      object: 'chat.completion',
      model: MODEL,
      choices: [{ finish_reason: 'length', message: { role: 'assistant', refusal: null } }],
      usage: { completion_tokens: 30 },
    });
    expect(completion.choices[0]?.message.content).toBe((await doneItem(completion.id)).text);
  });

  test('is told of tool calls, streamed and not', async () => {
    const toolCall = { name: 'weather', arguments: { city: 'Bern', days: [1, 2, 3] } };
    const request = {
      ...{ model: MODEL, messages: say(randomUUID()) },
      tools: [{ type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } }],
      ...simulated({ tokens: 5, toolCall }),
    };
    const whole = await clientOf().chat.completions.create(request);
    const [call] = whole.choices[0]?.message.tool_calls ?? [];
    expect(whole.choices[0]?.finish_reason).toBe('tool_calls');
    expect(call).toMatchObject({ type: 'function', function: { name: 'weather' } });
    const runner = clientOf().chat.completions.stream(request);
    const streamed = await runner.finalChatCompletion();
    expect(streamed.choices[0]?.message.tool_calls).toMatchObject([
      { ...call, function: { arguments: JSON.stringify(toolCall.arguments) } },
    ]);
  });

  // compat(openai-node, openai-node-previous): error status
  test('gets errors as its own classes, and does not repeat what cannot succeed', async () => {
    const ask = (client: OpenAI, more: object = {}) =>
      client.chat.completions.create({ model: MODEL, messages: say('x'), ...more });
    await expect(ask(clientOf(urls[0], 'no token'))).rejects.toMatchObject({
      ...{ status: 401, code: 'invalid_api_key', name: 'Error' },
      constructor: Client.AuthenticationError,
    });
    await expect(ask(clientOf(), { n: 2 })).rejects.toMatchObject({
      ...{ status: 400, code: 'invalid_request', param: 'n', type: 'invalid_request_error' },
      constructor: Client.BadRequestError,
    });
    await expect(ask(clientOf(), { temperature: -1 })).rejects.toMatchObject({ param: 'temperature' });
    await expect(ask(clientOf(), { model: 'none' })).rejects.toMatchObject({
      ...{ status: 404, code: 'model_not_found', param: 'model' },
      message: expect.stringContaining(MODEL),
    });
    let calls = 0;
    const counting = new Client({
      ...{ baseURL: `${urls[0]}/v1`, apiKey: tokenFor('ann'), maxRetries: 3 },
      fetch: (...args: Parameters<typeof fetch>) => ((calls += 1), fetch(...args)),
    });
    const failing = simulated({ failAtToken: 1 });
    await expect(ask(counting, failing)).rejects.toMatchObject({
      ...{ status: 400, code: 'upstream_rejected' },
      constructor: Client.BadRequestError,
    });
    const key = randomUUID();
    const keyed = (content: string) =>
      counting.chat.completions.create(
        { model: MODEL, messages: say(content), ...simulated({ tokens: 2 }) },
        { headers: { 'Idempotency-Key': key } },
      );
    await keyed('one');
    await expect(keyed('other')).rejects.toMatchObject({ status: 409, code: 'conflict' });
    expect(calls).toBe(3);
  });

  // compat(openai-node, openai-node-previous): error in stream
  test('is told of a failure in the middle of a stream', async () => {
    const stream = await clientOf().chat.completions.create({
      ...{ model: MODEL, messages: say(randomUUID()), stream: true as const },
      ...simulated({ tokens: 60, failAtToken: 30 }),
    });
    let text = '';
    const reading = async (): Promise<void> => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    };
    await expect(reading()).rejects.toMatchObject({ code: 'upstream_rejected' });
    expect(text).not.toBe('');
  });

  // compat(openai-node, openai-node-previous): abort
  test('cancels by leaving the loop: the engine stops', async () => {
    const stream = await clientOf().chat.completions.create({
      ...{ model: MODEL, messages: say(randomUUID()), stream: true as const },
      ...simulated({ tokens: 10_000 }),
    });
    let id = '';
    for await (const chunk of stream) {
      ({ id } = chunk);
      if (chunk.choices[0]?.delta.content) break;
    }
    const item = await doneItem(id);
    expect(item).toMatchObject({ reason: 'cancelled' });
    expect(item.seq).toBeLessThan(1_000);
  });

  test('asks again with the same Idempotency-Key, on any edge, and gets the one answer there is', async () => {
    const request = { model: MODEL, messages: say(randomUUID()), ...simulated({ tokens: 50 }) };
    const headers = { 'Idempotency-Key': randomUUID() };
    const [one, other] = await Promise.all(
      urls.map((url) => clientOf(url).chat.completions.create(request, { headers })),
    );
    expect(other).toEqual(one);
    const runner = clientOf(urls[1]).chat.completions.stream(request, { headers });
    const streamed = await runner.finalChatCompletion();
    expect(streamed.choices[0]?.message.content).toBe(one?.choices[0]?.message.content);
    expect(await doneItem(one?.id ?? '')).toMatchObject({ attempt: 1, seq: 50 });
    const foreign = await clientOf(urls[0], tokenFor('bob')).chat.completions.create(request, { headers });
    expect(foreign.id).not.toBe(one?.id);
  });

  test('goes on from the id of an event, on the generation’s own stream of events', async () => {
    const { data: stream, response } = await clientOf()
      .chat.completions.create(
        {
          ...{ model: MODEL, messages: say(randomUUID()), stream: true as const },
          ...simulated({ tokens: 40 }),
        },
        { headers: { 'x-sluice-session': 'named' } },
      )
      .withResponse();
    let whole = '';
    for await (const chunk of stream) whole += chunk.choices[0]?.delta.content ?? '';
    const generation = response.headers.get('x-sluice-generation') ?? '';
    expect(response.headers.get('x-sluice-session')).toBe('named');
    const rest = await fetch(`${urls[1]}/v1/sessions/named/generations/${generation}/events`, {
      headers: { authorization: `Bearer ${tokenFor('ann')}`, 'last-event-id': '0-15' },
    });
    const deltas = [...(await rest.text()).matchAll(/^data: (\{"type":"delta".*)$/gm)];
    const text = deltas.map(([, json = '']) => (JSON.parse(json) as { text: string }).text).join('');
    expect(text).not.toBe('');
    expect(whole.endsWith(text)).toBe(true);
  });

  // compat(openai-node, openai-node-previous): response, response stream
  test('gets a response, whole and streamed, with everything its helper checks', async () => {
    const request = {
      ...{ model: MODEL, input: randomUUID(), instructions: 'Be brief.', metadata: { case: 'x' } },
      tools: [{ type: 'function' as const, name: 'weather', parameters: {}, strict: false }],
      ...simulated({
        ...{ tokens: 40, reasoningTokens: 10 },
        toolCall: { name: 'weather', arguments: { city: 'Bern' } },
      }),
    };
    const whole = await clientOf().responses.create(request);
    const streamed = await clientOf().responses.stream(request).finalResponse();
    expect(streamed.output.map(({ type }) => type)).toEqual(['reasoning', 'message', 'function_call']);
    expect(saidIn(streamed)).toBe(whole.output_text);
    expect(whole).toMatchObject({
      ...{ object: 'response', status: 'completed', instructions: 'Be brief.', metadata: { case: 'x' } },
      usage: { output_tokens: streamed.usage?.output_tokens },
      tools: [{ type: 'function', name: 'weather' }],
    });
    const again = await clientOf(urls[1]).responses.retrieve(streamed.id);
    expect(again.output).toEqual(
      streamed.output.map((entry) => expect.objectContaining({ id: entry.id, type: entry.type })),
    );
  });

  // compat(openai-node, openai-node-previous): history
  test('goes on with a conversation by previous_response_id', async () => {
    const first = await clientOf().responses.create({
      ...{ model: MODEL, input: 'one', instructions: 'Forgotten.' },
      ...simulated({ tokens: 3 }),
    });
    const second = await clientOf().responses.create({
      ...{ model: MODEL, input: 'two', previous_response_id: first.id },
      ...simulated({ tokens: 3 }),
    });
    const [session = '', generation = ''] = second.id.split('.');
    expect(session).toBe(first.id);
    expect((await bus.sessions.prompt(keyOf(session, generation)))?.body.messages).toEqual([
      { role: 'user', content: 'one' },
      { role: 'assistant', content: first.output_text },
      { role: 'user', content: 'two' },
    ]);
  });

  test('cancels a background response, which a hang-up did not', async () => {
    const stream = await clientOf().responses.create({
      ...{ model: MODEL, input: randomUUID(), background: true, stream: true as const },
      ...simulated({ tokens: 100_000 }),
    });
    let id = '';
    for await (const event of stream) {
      if (event.type === 'response.created') ({ id } = event.response);
      if (event.type === 'response.output_text.delta') break;
    }
    const { seq } = await waitFor(() => itemOf(id), { what: 'the item' });
    await waitFor(async () => ((await bus.tokens.head(keyOf(id, id)))?.record.base ?? 0) > seq + 100, {
      what: 'the run to go on without a viewer',
    });
    expect(await clientOf(urls[1]).responses.retrieve(id)).toMatchObject({ status: 'in_progress' });
    expect(await clientOf(urls[1]).responses.cancel(id)).toMatchObject({ id, status: 'cancelled' });
    expect(await doneItem(id)).toMatchObject({ reason: 'cancelled' });
  });

  // compat(openai-node, openai-node-previous): resume
  test('goes on with a background response on another edge after the one that began it was killed', async () => {
    const edge = await spawnEdge(system.nats.url);
    const request = {
      ...{ model: MODEL, input: randomUUID(), background: true, stream: true as const },
      ...simulated({ tokens: 600, reasoningTokens: 10 }),
    };
    let text = '';
    let id = '';
    let after = -1;
    const take = (event: OpenAI.Responses.ResponseStreamEvent): void => {
      expect(event.sequence_number).toBeGreaterThan(after);
      after = event.sequence_number;
      if (event.type === 'response.created') ({ id } = event.response);
      if (event.type === 'response.output_text.delta') text += event.delta;
    };
    const reading = async (): Promise<void> => {
      for await (const event of await clientOf(edge.url).responses.create(request)) {
        take(event);
        if (text.length > 200) void edge.child.kill('SIGKILL');
      }
    };
    await expect(reading()).rejects.toThrow();
    const types: string[] = [];
    const rest = await clientOf(urls[1]).responses.retrieve(id, { stream: true, starting_after: after });
    for await (const event of rest) {
      take(event);
      types.push(event.type);
    }
    expect(types.at(-1)).toBe('response.completed');
    expect(types).not.toContain('response.created');
    expect(text).toBe((await doneItem(id)).text);
    const whole = await clientOf(urls[0]).responses.retrieve(id);
    expect(whole).toMatchObject({ status: 'completed', output_text: text });
  }, 60_000);

  test('sees the same numbers on two edges, however its tokens came', async () => {
    const started = await clientOf().responses.create({
      ...{ model: MODEL, input: randomUUID(), background: true },
      ...simulated({ tokens: 200, reasoningTokens: 20, toolCall: { name: 'f', arguments: { a: 1 } } }),
    });
    /** By number: the event, or for a delta all that was said up to it. */
    const numbered = async (url: string): Promise<Map<number, unknown>> => {
      const events = new Map<number, unknown>();
      let said = '';
      for await (const event of await clientOf(url).responses.retrieve(started.id, { stream: true })) {
        if ('delta' in event && typeof event.delta === 'string') said += event.delta;
        events.set(event.sequence_number, 'delta' in event ? said : event);
      }
      return events;
    };
    const live = await numbered(urls[0]);
    await doneItem(started.id);
    const replayed = await numbered(urls[1]);
    expect(replayed.size).toBeLessThan(live.size);
    for (const [number, event] of replayed) expect([number, live.get(number)]).toEqual([number, event]);
  });
});

test('the example runs as it stands, and both ways bring the same text', async () => {
  const example = fileURLToPath(new URL('../examples/openai.mjs', import.meta.url));
  const env = { SLUICE_URL: urls[0], SLUICE_TOKEN: tokenFor('ann'), NODE_OPTIONS: undefined };
  const child = await startChild(process.execPath, [example], { env });
  const exit = await child.exited;
  const [, completion = '', response = ''] = child.output().split(/^--- .*$/m);
  expect({ exit, output: child.output() }).toMatchObject({ exit: { code: 0 } });
  expect(completion.trim()).not.toBe('');
  expect(response).toContain(completion.trim());
  expect(response).toContain('completed');
}, 30_000);
