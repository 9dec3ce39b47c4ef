/**
 * What the own tests of OpenAI's client for Node cover of streams and errors (openai/openai-node: `tests/streaming.test.ts`,
 * `tests/index.test.ts`, `tests/lib/ChatCompletionStream`, `ChatCompletionRunFunctions`, `ResponseStream`, `parser`), asked
 * of a whole system instead of a fetch that is played. Left out, for there is nothing of it here: Azure and Bedrock, Assistants,
 * files and uploads, embeddings, images, audio, realtime, webhooks, pages of lists, and what the client does without a server (its
 * URL and header options, its event emitter, the bounds of its parsers).
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream';
import PreviousOpenAI from 'openai-previous';
import { z } from 'zod';
import { tokenFor } from './support/clients.ts';
import { calls, MODEL, play, refuses, says, startStage, thinks } from './support/played-model.ts';
import type { Plays, Stage } from './support/played-model.ts';

/** Scripts, a line separator that is no line, and pairs that a cut may tear. */
const SCRIPTS = 'известни 水門\u2028data: {"x":1}\n\ndata: [DONE]\n\n👩‍🚀 \\n done';
const WEATHER = { city: 'Bern', degrees: 7 };

const PLAYS: Plays = {
  scripts: () => ({ ...says(SCRIPTS), sliceBytes: 1 }),
  endless: () => ({ hangAtToken: 10 }),
  thought: () => thinks('hm', 'Yes.'),
  'slow once': ({ times }) => (times === 0 ? { slowFirstByteMs: 20_000 } : says('At last.')),
  'broken once': ({ times }) => (times === 0 ? refuses(500, { message: 'broken' }) : says('Mended.')),
  weather: ({ results }) =>
    results.length === 0
      ? calls(['weather', { city: 'Bern' }], ['weather', { city: 'Rome' }])
      : says(`It is ${results.join(' and ')}.`),
  structured: () => says(JSON.stringify(WEATHER)),
  'cut short': () => says('{"city":', 'length'),
  withheld: () => says('I', 'content_filter'),
  ...Object.fromEntries(
    [400, 404, 409, 413, 422, 429, 500, 503].map((status) => [
      `status ${status}`,
      () =>
        refuses(
          status,
          { message: `it is ${status}`, type: 'its_type', param: 'messages', code: `c${status}` },
          '60',
        ),
    ]),
  ),
};

let stage: Stage;
beforeAll(async () => {
  stage = await startStage(PLAYS);
});
afterAll(() => stage.close());

const say = (name: string) => [{ role: 'user' as const, content: play(name) }];
const weatherFormat = z.object({ city: z.string(), degrees: z.number() });

const weatherTool = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'tells the weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
    parse: (text: string): { city: string } => JSON.parse(text) as { city: string },
    function: ({ city }: { city: string }): string => `sunny in ${city}`,
  },
};

describe.each([
  ['openai', OpenAI],
  ['openai, the major before', PreviousOpenAI as unknown as typeof OpenAI],
])('the client %s', (_name, Client) => {
  const clientOf = (options: ConstructorParameters<typeof OpenAI>[0] = {}): OpenAI =>
    new Client({ baseURL: `${stage.url}/v1`, apiKey: tokenFor('ann'), maxRetries: 0, ...options });
  /** A client, and the headers of each of its requests. */
  const counting = (options: object): { client: OpenAI; sent: Headers[] } => {
    const sent: Headers[] = [];
    const counted: typeof fetch = async (url, init) => {
      sent.push(new Headers(init?.headers));
      try {
        return await fetch(url, init);
      } catch (error) {
        // The client knows errors of its own realm only, and jest gives it another than fetch has.
        throw error instanceof Error
          ? error
          : Object.assign(new Error(String(error)), { name: 'AbortError' });
      }
    };
    return { client: clientOf({ ...options, fetch: counted }), sent };
  };
  const chat = (name: string) => ({ model: MODEL, messages: say(name) });
  const engineStops = (asked: number): Promise<unknown> =>
    waitFor(() => stage.mock.requests.length > asked && stage.mock.requests.at(-1)?.closedAt !== undefined, {
      what: 'the engine to be left',
    });

  describe('reads a stream', () => {
    // compat(openai-node, openai-node-previous): chat stream
    test('of any script, whatever in it looks like an event, byte by byte from the engine', async () => {
      const stream = await clientOf().chat.completions.create({ ...chat('scripts'), stream: true });
      let text = '';
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
      expect(text).toBe(SCRIPTS);
    });

    test('once: a second loop is an error of the client, not a second run', async () => {
      const asked = stage.mock.requests.length;
      const stream = await clientOf().chat.completions.create({ ...chat('thought'), stream: true });
      for await (const _ of stream);
      await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow(
        'Cannot iterate over a consumed stream',
      );
      expect(stage.mock.requests.length - asked).toBe(1);
    });

    test('in two halves of a tee, and over a ReadableStream', async () => {
      const stream = await clientOf().chat.completions.create({ ...chat('scripts'), stream: true });
      const [one, other] = stream.tee();
      const handed = ChatCompletionStream.fromReadableStream(one.toReadableStream());
      let text = '';
      for await (const { choices } of other) text += choices[0]?.delta.content ?? '';
      expect(text).toBe(SCRIPTS);
      expect((await handed.finalMessage()).content).toBe(SCRIPTS);
    });

    test('with its response, and as a response', async () => {
      const asked = clientOf().chat.completions.create({ ...chat('thought'), stream: true });
      const { data, response, request_id } = await asked.withResponse();
      expect(response.headers.get('content-type')).toContain('text/event-stream');
      expect(request_id).toBe(response.headers.get('x-request-id'));
      expect(request_id).toMatch(/^[\w-]{8,}$/);
      for await (const _ of data);
      const raw = await clientOf()
        .chat.completions.create({ ...chat('thought'), stream: true })
        .asResponse();
      expect(await raw.text()).toMatch(/data: \[DONE\]\n\n$/);
    });

    // compat(openai-node, openai-node-previous): reasoning, usage
    test('as events of its helper, down to the final completion', async () => {
      const runner = clientOf().chat.completions.stream({
        ...chat('thought'),
        stream_options: { include_usage: true },
      });
      const deltas: string[] = [];
      runner.on('content', (delta) => deltas.push(delta));
      const completion = await runner.finalChatCompletion();
      expect(deltas.join('')).toBe('Yes.');
      expect(completion).toMatchObject({
        choices: [{ finish_reason: 'stop', message: { role: 'assistant', content: 'Yes.' } }],
        usage: { completion_tokens: 7, total_tokens: 18 },
      });
      expect(await runner.totalUsage()).toMatchObject({ prompt_tokens: 11 });
      expect(await runner.finalContent()).toBe('Yes.');
    });

    // compat(openai-node, openai-node-previous): abort
    test.each(['its controller', 'the signal', 'the helper'])(
      'until it is aborted in the middle by %s, and the engine is left',
      async (by) => {
        const asked = stage.mock.requests.length;
        const client = clientOf();
        const leave = new AbortController();
        const request = chat('endless');
        if (by === 'the helper') {
          const runner = client.chat.completions.stream(request);
          runner.once('content', () => runner.abort());
          await expect(runner.done()).rejects.toThrow(Client.APIUserAbortError);
          expect(runner.aborted).toBe(true);
        } else {
          const stream = await client.chat.completions.create(
            { ...request, stream: true },
            { signal: leave.signal },
          );
          for await (const _ of stream) (by === 'the signal' ? leave : stream.controller).abort();
        }
        await engineStops(asked);
      },
    );
  });

  describe('gives up and asks again', () => {
    test('an abort before the head is an error of its own', async () => {
      const asked = stage.mock.requests.length;
      const leave = new AbortController();
      const waiting = clientOf().chat.completions.create(chat('slow once'), { signal: leave.signal });
      const aborted = expect(waiting).rejects.toThrow(Client.APIUserAbortError);
      await waitFor(() => stage.mock.requests.length > asked, { what: 'the engine to be asked' });
      leave.abort();
      await aborted;
      await engineStops(asked);
    });

    // compat(openai-node, openai-node-previous): retry
    test('after its own timeout, which leaves the engine', async () => {
      const asked = stage.mock.requests.length;
      const { client, sent } = counting({ timeout: 1_000, maxRetries: 1 });
      const completion = await client.chat.completions.create(chat('slow once'));
      expect(completion.choices[0]?.message.content).toBe('At last.');
      expect(sent.map((headers) => headers.get('x-stainless-retry-count'))).toEqual(['0', '1']);
      expect(stage.mock.requests[asked]?.closedAt).toBeDefined();
      const impatient = counting({ timeout: 300 }).client;
      await expect(impatient.chat.completions.create(chat('slow once'))).rejects.toThrow(
        Client.APIConnectionTimeoutError,
      );
    });

    // compat(openai-node, openai-node-previous): retry
    test('after a 500 before the first token, streamed and not', async () => {
      const { client, sent } = counting({ maxRetries: 2 });
      const whole = await client.chat.completions.create(chat('broken once'));
      const streamed = await client.chat.completions.stream(chat('broken once')).finalChatCompletion();
      for (const { choices } of [whole, streamed]) expect(choices[0]?.message.content).toBe('Mended.');
      expect(sent.map((headers) => headers.get('x-stainless-retry-count'))).toEqual(['0', '1', '0', '1']);
    });

    test('after as long as Retry-After says', async () => {
      const edge = await stage.system.addEdge({ requestsPerSecond: 1 });
      const { client, sent } = counting({ baseURL: `${edge.url}/v1`, maxRetries: 3 });
      const started = performance.now();
      await Promise.all([1, 2].map(() => client.models.list()));
      expect(sent.length).toBeGreaterThan(2);
      expect(performance.now() - started).toBeGreaterThan(900);
      await edge.close();
    });
  });

  // compat(openai-node, openai-node-previous): error status
  test.each([
    [400, 'BadRequestError'],
    [404, 'NotFoundError'],
    [409, 'ConflictError'],
    [413, 'APIError'],
    [422, 'UnprocessableEntityError'],
    [429, 'RateLimitError'],
    [500, 'InternalServerError'],
    [503, 'InternalServerError'],
  ] as const)('has a class for a %i of the engine, with all its fields: %s', async (status, name) => {
    const ways = [
      () => clientOf().chat.completions.create(chat(`status ${status}`)),
      () => clientOf().chat.completions.create({ ...chat(`status ${status}`), stream: true }),
      () =>
        clientOf()
          .chat.completions.stream(chat(`status ${status}`))
          .finalChatCompletion(),
      () => clientOf().responses.create({ model: MODEL, input: play(`status ${status}`) }),
      () => clientOf().responses.create({ model: MODEL, input: play(`status ${status}`), stream: true }),
      () =>
        clientOf()
          .responses.stream({ model: MODEL, input: play(`status ${status}`) })
          .finalResponse(),
    ];
    for (const way of ways) {
      const error: unknown = await way().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(Client[name]);
      expect(error).toMatchObject({ status, code: `c${status}`, type: 'its_type', param: 'messages' });
      expect(error).toMatchObject({ requestID: expect.any(String), message: `${status} it is ${status}` });
    }
  });

  test('has a class for what the edge itself refuses', async () => {
    const asking = (more: object, options: ConstructorParameters<typeof OpenAI>[0] = {}) =>
      clientOf(options).chat.completions.create({ ...chat('thought'), ...more });
    await expect(asking({}, { apiKey: 'none' })).rejects.toThrow(Client.AuthenticationError);
    await expect(asking({ n: 3 })).rejects.toThrow(Client.BadRequestError);
    await expect(clientOf().responses.retrieve('no-such-response')).rejects.toThrow(Client.NotFoundError);
    await expect(asking({}, { baseURL: 'http://127.0.0.1:1/v1' })).rejects.toThrow(Client.APIConnectionError);
  });

  // compat(openai-node, openai-node-previous): parts
  test('sends an image, over both APIs', async () => {
    const url = 'data:image/png;base64,iVBORw0KGgo=';
    const seen = (): unknown => stage.mock.requests.at(-1)?.body['messages'];
    const told = [{ content: [{ type: 'text' }, { type: 'image_url', image_url: { url } }] }];
    const parts = [
      { type: 'text' as const, text: play('thought') },
      { type: 'image_url' as const, image_url: { url } },
    ];
    await clientOf().chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: parts }] });
    expect(seen()).toMatchObject(told);
    const content = [
      { type: 'input_text' as const, text: play('thought') },
      { type: 'input_image' as const, image_url: url, detail: 'auto' as const },
    ];
    await clientOf().responses.create({ model: MODEL, input: [{ role: 'user', content }] });
    expect(seen()).toMatchObject(told);
  });

  describe('runs tools', () => {
    // compat(openai-node, openai-node-previous): tools
    test.each([false, true])('to the answer in its own loop, streamed: %s', async (stream) => {
      const messages = say('weather');
      const body = { model: MODEL, messages, tools: [weatherTool] };
      const told: unknown[] = [];
      const hear = (result: string): unknown => told.push(result);
      const hearCall = (call: { readonly arguments: string }): unknown => told.push(call.arguments);
      const { completions } = clientOf().chat;
      const runner = stream
        ? completions
            .runTools({ ...body, stream: true })
            .on('functionToolCall', hearCall)
            .on('functionToolCallResult', hear)
        : completions.runTools(body).on('functionToolCall', hearCall).on('functionToolCallResult', hear);
      expect(await runner.finalContent()).toBe('It is sunny in Bern and sunny in Rome.');
      expect(told).toEqual(expect.arrayContaining(['{"city":"Bern"}', 'sunny in Bern', 'sunny in Rome']));
      expect(runner.messages.map(({ role }) => role)).toEqual([
        'user',
        'assistant',
        'tool',
        'tool',
        'assistant',
      ]);
    });

    // compat(openai-node, openai-node-previous): tools, history
    test('over responses, by what came before and by its id', async () => {
      const tools = [{ type: 'function' as const, name: 'weather', parameters: {}, strict: false }];
      const first = await clientOf().responses.create({ model: MODEL, input: play('weather'), tools });
      const outputs = first.output.flatMap((item) =>
        item.type === 'function_call'
          ? [
              {
                type: 'function_call_output' as const,
                call_id: item.call_id,
                output: `sun: ${item.arguments}`,
              },
            ]
          : [],
      );
      expect(outputs).toHaveLength(2);
      const second = await clientOf()
        .responses.stream({ model: MODEL, input: outputs, previous_response_id: first.id, tools })
        .finalResponse();
      expect(second.output).toMatchObject([
        { type: 'message', content: [{ text: 'It is sun: {"city":"Bern"} and sun: {"city":"Rome"}.' }] },
      ]);
    });
  });

  describe('parses', () => {
    // compat(openai-node, openai-node-previous): structured output
    test('a chat completion by its schema, streamed and not', async () => {
      const request = { ...chat('structured'), response_format: zodResponseFormat(weatherFormat, 'weather') };
      const whole = await clientOf().chat.completions.parse(request);
      const streamed = await clientOf().chat.completions.stream(request).finalChatCompletion();
      for (const { choices } of [whole, streamed]) expect(choices[0]?.message.parsed).toEqual(WEATHER);
      expect(stage.mock.requests.at(-1)?.body['response_format']).toMatchObject({
        type: 'json_schema',
        json_schema: { name: 'weather', strict: true, schema: { required: ['city', 'degrees'] } },
      });
    });

    // compat(openai-node, openai-node-previous): structured output
    test('a response by its schema, streamed and not', async () => {
      const request = {
        ...{ model: MODEL, input: play('structured') },
        text: { format: zodTextFormat(weatherFormat, 'weather') },
      };
      const whole = await clientOf().responses.parse(request);
      const streamed = await clientOf().responses.stream(request).finalResponse();
      for (const { output_parsed } of [whole, streamed]) expect(output_parsed).toEqual(WEATHER);
    });

    test('nothing of an answer that was cut short or withheld', async () => {
      const response_format = zodResponseFormat(weatherFormat, 'weather');
      const parsing = (name: string) => clientOf().chat.completions.parse({ ...chat(name), response_format });
      await expect(parsing('cut short')).rejects.toThrow('the length limit was reached');
      await expect(parsing('withheld')).rejects.toThrow('rejected by the content filter');
    });
  });

  describe('keeps a response in the background', () => {
    const later = { model: MODEL, background: true, store: true } as const;

    // compat(openai-node, openai-node-previous): response, resume
    test('that is asked for until it is done, then streamed again from any event', async () => {
      const { id, status } = await clientOf().responses.create({ ...later, input: play('scripts') });
      expect(['queued', 'in_progress', 'completed']).toContain(status);
      const done = await waitFor(
        async () => {
          const response = await clientOf().responses.retrieve(id);
          return response.status === 'completed' ? response : undefined;
        },
        { what: 'the response to be completed' },
      );
      const numbers: number[] = [];
      for await (const event of await clientOf().responses.retrieve(id, { stream: true }))
        numbers.push(event.sequence_number);
      const after = numbers[2] ?? 0;
      const rest: number[] = [];
      const stream = await clientOf().responses.retrieve(id, { stream: true, starting_after: after });
      for await (const event of stream) rest.push(event.sequence_number);
      expect(rest).toEqual(numbers.filter((number) => number > after));
      const helper = clientOf().responses.stream({ response_id: id });
      expect((await helper.finalResponse()).output).toMatchObject(done.output);
    });

    // compat(openai-node, openai-node-previous): abort
    test('until it is cancelled, and it stays so', async () => {
      const asked = stage.mock.requests.length;
      const { id } = await clientOf().responses.create({ ...later, input: play('slow once') });
      await waitFor(() => stage.mock.requests.length > asked, { what: 'the engine to be asked' });
      expect((await clientOf().responses.cancel(id)).status).toBe('cancelled');
      expect((await clientOf().responses.retrieve(id)).status).toBe('cancelled');
      await engineStops(asked);
    });
  });
});
