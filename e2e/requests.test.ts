/** What apps and agents were seen to ask, with the clients that ask it, through an edge and a worker. */
import { randomUUID } from 'node:crypto';
import { createOpenAI } from '@ai-sdk/openai';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startMockServer } from '@sluice/simulator';
import type { MockFaults, MockRequest, MockServer } from '@sluice/simulator';
import { waitFor } from '@sluice/testkit';
import { OpenAiEngine } from '@sluice/worker';
import { generateText, isStepCount, streamText, tool } from 'ai';
import type { ModelMessage } from 'ai';
import OpenAI from 'openai';
import { z } from 'zod';
import { tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const MODEL = 'simulated';

let system: System;
let mock: MockServer;
let url: string;

const event = (fields: object): string => `data: ${JSON.stringify(fields)}\n\n`;
const calling = (name: string, text: string): MockFaults => {
  const tool_calls = [{ index: 0, id: `call_${randomUUID()}`, function: { name, arguments: text } }];
  const call = event({ choices: [{ index: 0, delta: { tool_calls }, finish_reason: 'tool_calls' }] });
  return { stream: `${call}data: [DONE]\n\n` };
};

type Message = {
  readonly role: string;
  readonly content: unknown;
  readonly tool_calls?: readonly { readonly function: { readonly name: string } }[];
};
const messagesIn = ({ body }: MockRequest): readonly Message[] => body['messages'] as readonly Message[];
const rolesIn = (request: MockRequest | undefined): readonly string[] =>
  request === undefined ? [] : messagesIn(request).map(({ role }) => role);

/** A user who says `call NAME with TEXT` has that called, once. */
const faults = (request: MockRequest): MockFaults => {
  const last = messagesIn(request).at(-1);
  const [, name, text = ''] = /^call (\w+) with (.*)$/s.exec(String(last?.content)) ?? [];
  return last?.role === 'user' && name !== undefined ? calling(name, text) : {};
};

beforeAll(async () => {
  mock = await startMockServer({ simulated: { tokens: 5 }, faults });
  system = await startSystem();
  ({ url } = await system.addEdge());
  await system.addWorker(new OpenAiEngine({ upstream: mock.url }));
  await waitFor(async () => (await clientOf().models.list()).data[0], { what: 'a model' });
});
afterAll(async () => {
  await system.close();
  await mock.close();
});

const clientOf = (user = 'ann', org?: string): OpenAI =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: tokenFor(user, org), maxRetries: 0 });

describe('the AI SDK’s provider of OpenAI, which names what it was told by its id', () => {
  const model = () => createOpenAI({ baseURL: `${url}/v1`, apiKey: tokenFor('ann') })(MODEL);
  const tools = {
    weather: tool({
      description: 'The weather of a city.',
      inputSchema: z.object({ city: z.string() }),
      execute: ({ city }) => Promise.resolve(`rain in ${city}`),
    }),
  };
  const asked = 'call weather with {"city":"Bern"}';

  // compat(ai-openai): response, response stream, tools, history
  test.each(['generateText', 'streamText'] as const)(
    'gets through three turns with tools: %s',
    async (way) => {
      const messages: ModelMessage[] = [];
      for (const content of [asked, 'and now?', asked]) {
        messages.push({ role: 'user', content });
        const request = { model: model(), tools, stopWhen: isStepCount(3), messages };
        const result = way === 'generateText' ? await generateText(request) : streamText(request);
        expect(await result.text).not.toBe('');
        messages.push(...(await result.responseMessages));
      }
      const turn = ['user', 'assistant', 'tool', 'assistant'];
      expect(rolesIn(mock.requests.at(-1))).toEqual([
        ...turn,
        'user',
        'assistant',
        'user',
        'assistant',
        'tool',
      ]);
      const told = messagesIn(mock.requests.at(-1) as MockRequest);
      expect(told.filter(({ role }) => role === 'tool').map(({ content }) => content)).toEqual([
        'rain in Bern',
        'rain in Bern',
      ]);
      expect(told[1]?.tool_calls).toMatchObject([{ function: { name: 'weather' } }]);
    },
  );
});

describe('files and images', () => {
  const bytesOf = (size: number): string => Buffer.alloc(size, 'x').toString('base64');
  const pdf = `data:application/pdf;base64,${bytesOf(1_500_000)}`;
  const partsIn = (): unknown => messagesIn(mock.requests.at(-1) as MockRequest).at(-1)?.content;
  const text = 'What is this?';

  // compat(openai-node): parts
  test('a PDF reaches the engine as it is, from chat completions and responses', async () => {
    const file = { filename: 'a.pdf', file_data: pdf };
    const told = [
      { type: 'text', text },
      { type: 'file', file },
    ];
    await clientOf().chat.completions.create({
      model: MODEL,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text },
            { type: 'file', file },
          ],
        },
      ],
    });
    expect(partsIn()).toEqual(told);
    const content = [
      { type: 'input_text' as const, text },
      { type: 'input_file' as const, ...file },
    ];
    await clientOf().responses.create({ model: MODEL, input: [{ role: 'user', content }] });
    expect(partsIn()).toEqual(told);
  });

  test.each([300_000, 4_000_000])('an image of %i bytes passes every door over HTTP', async (size) => {
    const image = `data:image/png;base64,${bytesOf(size)}`;
    const url = { type: 'image_url' as const, image_url: { url: image } };
    await clientOf().chat.completions.create({
      model: MODEL,
      messages: [{ role: 'user', content: [{ type: 'text', text }, url] }],
    });
    expect(partsIn()).toEqual([{ type: 'text', text }, url]);
    const content = [
      { type: 'input_text' as const, text },
      { type: 'input_image' as const, image_url: image, detail: 'auto' as const },
    ];
    await clientOf().responses.create({ model: MODEL, input: [{ role: 'user', content }] });
    expect(partsIn()).toMatchObject([{ type: 'text', text }, url]);
  });

  test('a file that is kept elsewhere is refused by name', async () => {
    const content = [{ type: 'file' as const, file: { file_id: 'file-1' } }];
    await expect(
      clientOf().chat.completions.create({ model: MODEL, messages: [{ role: 'user', content }] }),
    ).rejects.toMatchObject({ status: 400, param: 'messages.0.content.0.file.file_id' });
    for (const named of [{ file_id: 'file-1' }, { file_url: 'https://example.com/a.pdf' }]) {
      const [field] = Object.keys(named);
      const input = [{ role: 'user' as const, content: [{ type: 'input_file' as const, ...named }] }];
      await expect(clientOf().responses.create({ model: MODEL, input })).rejects.toMatchObject({
        ...{ status: 400, param: `input.0.content.0.${field}` },
        message: expect.stringContaining('file_data'),
      });
    }
  });
});

describe('the client openai', () => {
  const request = { model: MODEL, tools: [{ type: 'custom' as const, name: 'patch' }] };

  test('goes on with whole output items, its tool’s result and a previous response', async () => {
    const client = clientOf();
    const first = await client.responses.create({ ...request, input: 'call patch with {"input":"*** go"}' });
    const [call] = first.output;
    expect(call).toMatchObject({ type: 'custom_tool_call', name: 'patch', input: '*** go' });
    const call_id = call?.type === 'custom_tool_call' ? call.call_id : '';
    const result = { type: 'custom_tool_call_output' as const, call_id, output: 'done' };
    // Its types tell apart what may be sent from what comes back, though it is the same.
    const again = (output: typeof first.output) => output as OpenAI.Responses.ResponseInput;
    const input = [{ role: 'user' as const, content: 'first' }, ...again(first.output), result];
    const second = await client.responses.create({ ...request, input });
    expect(rolesIn(mock.requests.at(-1))).toEqual(['user', 'assistant', 'tool']);
    await client.responses.create({ ...request, previous_response_id: first.id, input: [result] });
    expect(rolesIn(mock.requests.at(-1))).toEqual(['user', 'assistant', 'tool']);
    await client.responses.create({ ...request, input: [...input, ...again(second.output), ...input] });
    expect(rolesIn(mock.requests.at(-1))).toEqual([
      ...['user', 'assistant', 'tool', 'assistant'],
      ...['user', 'assistant', 'tool'],
    ]);
  });

  test('streams the call of a custom tool as its own helper expects it', async () => {
    const stream = clientOf().responses.stream({ ...request, input: 'call patch with {"input":"a\\nb"}' });
    const deltas: string[] = [];
    for await (const each of stream)
      if (each.type === 'response.custom_tool_call_input.delta') deltas.push(each.delta);
    expect(deltas.join('')).toBe('a\nb');
    const { output } = await stream.finalResponse();
    expect(output).toMatchObject([{ type: 'custom_tool_call', name: 'patch', input: 'a\nb' }]);
  });

  test('names items of its own org’s responses by id, and is told what to do about others', async () => {
    const said = await clientOf().responses.create({ model: MODEL, input: 'hello' });
    const id = said.output.at(-1)?.id ?? '';
    const naming = (named: string, client = clientOf()) =>
      client.responses.create({
        model: MODEL,
        input: [
          { type: 'item_reference', id: named },
          { role: 'user', content: 'go on' },
        ],
      });
    await naming(id);
    expect(messagesIn(mock.requests.at(-1) as MockRequest)).toEqual([
      { role: 'assistant', content: said.output_text },
      { role: 'user', content: 'go on' },
    ]);
    const unknown = { status: 400, code: 'invalid_request', param: 'input.0.id' };
    for (const named of ['msg_0199', 'x', id.replace(/\d+$/, '7'), 'msg_resp_none_0', 'fc_a.b.c_0'])
      await expect(naming(named)).rejects.toMatchObject({
        ...unknown,
        message: expect.stringContaining('store: false'),
      });
    await expect(naming(id, clientOf('eve', 'other'))).rejects.toMatchObject(unknown);
  });
});
