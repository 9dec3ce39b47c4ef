/**
 * OpenAI's Agents SDK for JavaScript against a whole system: its loop of tools over both APIs. Left out: tools that OpenAI
 * runs itself (web search, files, code), voices, and its traces, which it sends to OpenAI.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Agent, handoff, OpenAIProvider, Runner, tool } from '@openai/agents';
import { waitFor } from '@sluice/testkit';
import OpenAI from 'openai';
import { z } from 'zod';
import { tokenFor } from './support/clients.ts';
import { calls, MODEL, play, refuses, says, startStage, thinks } from './support/played-model.ts';
import type { Plays, Stage } from './support/played-model.ts';

const REPORT = { city: 'Bern', degrees: 7 };

const PLAYS: Plays = {
  // Three steps: two tools, one after the other, then the answer.
  trip: ({ results }) =>
    [
      calls(['find_city', { of: 'trip' }]),
      calls(['weather', { city: results[0] ?? '' }], ['weather', { city: 'Rome' }]),
      says(`Take a coat: ${results.slice(1).join(', ')}.`),
    ][Math.min(results.length, 2)] ?? {},
  report: () => says(JSON.stringify(REPORT)),
  'another agent': ({ results }) =>
    results.length === 0 ? calls(['transfer_to_second', {}]) : says('Second here.'),
  thought: () => thinks('hm', 'Yes.'),
  refused: () => refuses(400, { message: 'too long', code: 'context_length_exceeded', param: 'messages' }),
  'broken once': ({ times }) => (times === 0 ? refuses(500, { message: 'broken' }) : says('Mended.')),
  endless: () => ({ hangAtToken: 10 }),
  'breaks off': () => ({ errorAtToken: 10 }),
};

let stage: Stage;
beforeAll(async () => {
  stage = await startStage(PLAYS);
});
afterAll(() => stage.close());

const tools = [
  tool({
    ...{
      name: 'find_city',
      description: 'finds the city of a trip',
      parameters: z.object({ of: z.string() }),
    },
    execute: async () => 'Bern',
  }),
  tool({
    ...{ name: 'weather', description: 'tells the weather', parameters: z.object({ city: z.string() }) },
    execute: async ({ city }) => `snow in ${city}`,
  }),
];

const runnerOf = (useResponses: boolean, maxRetries = 0): Runner => {
  const client = new OpenAI({ baseURL: `${stage.url}/v1`, apiKey: tokenFor('ann'), maxRetries });
  const modelProvider = new OpenAIProvider({ openAIClient: client, useResponses });
  return new Runner({ modelProvider, tracingDisabled: true });
};

const agent = new Agent({ name: 'first', instructions: 'Be brief.', model: MODEL, tools });

describe.each([
  ['chat completions', false],
  ['responses', true],
])('an agent over %s', (_, useResponses) => {
  // compat(agents): tools, chat, response, usage
  test('uses its tools in three steps and answers', async () => {
    const result = await runnerOf(useResponses).run(agent, play('trip'));
    expect(result.finalOutput).toBe('Take a coat: snow in Bern, snow in Rome.');
    expect(result.rawResponses).toHaveLength(3);
    expect(result.runContext.usage).toMatchObject({ requests: 3, inputTokens: 33, outputTokens: 21 });
  });

  // compat(agents): tools, chat stream, response stream
  test('does the same streamed', async () => {
    const result = await runnerOf(useResponses).run(agent, play('trip'), { stream: true });
    const events: string[] = [];
    let text = '';
    for await (const event of result) {
      if (event.type === 'run_item_stream_event') events.push(event.name);
      if (event.type === 'raw_model_stream_event' && event.data.type === 'output_text_delta')
        text += event.data.delta;
    }
    await result.completed;
    expect(text).toBe('Take a coat: snow in Bern, snow in Rome.');
    expect(result.finalOutput).toBe(text);
    expect(events.filter((name) => name === 'tool_called')).toHaveLength(3);
    expect(events.at(-1)).toBe('message_output_created');
  });

  test('goes on with a second turn on what was said and called before', async () => {
    const runner = runnerOf(useResponses);
    const first = await runner.run(agent, play('trip'));
    const second = await runner.run(agent, [...first.history, { role: 'user', content: play('thought') }]);
    expect(second.finalOutput).toBe('Yes.');
    const messages = stage.mock.requests.at(-1)?.body['messages'] as readonly { role: string }[];
    expect(messages.map(({ role }) => role)).toEqual([
      ...['system', 'user', 'assistant', 'tool', 'assistant', 'tool', 'tool', 'assistant', 'user'],
    ]);
  });

  // compat(agents): structured output
  test('answers by a schema', async () => {
    const outputType = z.object({ city: z.string(), degrees: z.number() });
    const reporter = new Agent({ name: 'reporter', model: MODEL, outputType });
    expect((await runnerOf(useResponses).run(reporter, play('report'))).finalOutput).toEqual(REPORT);
  });

  test('hands over to another agent', async () => {
    const second = new Agent({ name: 'second', model: MODEL });
    const first = new Agent({ name: 'first', model: MODEL, handoffs: [handoff(second)] });
    const result = await runnerOf(useResponses).run(first, play('another agent'));
    expect(result.finalOutput).toBe('Second here.');
    expect(result.lastAgent?.name).toBe('second');
  });

  // compat(agents): parts
  test('sends an image', async () => {
    const image = 'data:image/png;base64,iVBORw0KGgo=';
    const content = [
      { type: 'input_text' as const, text: play('thought') },
      { type: 'input_image' as const, image },
    ];
    await runnerOf(useResponses).run(agent, [{ role: 'user', content }]);
    expect(JSON.stringify(stage.mock.requests.at(-1)?.body['messages'])).toContain(image);
  });

  // compat(agents): error status
  test('fails with the status, code and message of the engine', async () => {
    await expect(runnerOf(useResponses).run(agent, play('refused'))).rejects.toMatchObject({
      ...{ status: 400, code: 'context_length_exceeded', param: 'messages' },
    });
  });

  // compat(agents): error in stream
  test('is told of a failure in the middle, after the text before it', async () => {
    const result = await runnerOf(useResponses).run(agent, play('breaks off'), { stream: true });
    let text = '';
    const reading = async (): Promise<void> => {
      for await (const event of result)
        if (event.type === 'raw_model_stream_event' && event.data.type === 'output_text_delta')
          text += event.data.delta;
      await result.completed;
    };
    await expect(reading()).rejects.toThrow();
    expect(text).not.toBe('');
  });

  // compat(agents): retry
  test('asks again after a passing failure', async () => {
    expect((await runnerOf(useResponses, 2).run(agent, play('broken once'))).finalOutput).toBe('Mended.');
  });

  // compat(agents): abort
  test('leaves the engine when it is aborted', async () => {
    const asked = stage.mock.requests.length;
    const leave = new AbortController();
    const result = await runnerOf(useResponses).run(agent, play('endless'), {
      ...{ stream: true, signal: leave.signal },
    });
    for await (const event of result)
      if (event.type === 'raw_model_stream_event' && event.data.type === 'output_text_delta') leave.abort();
    await waitFor(
      () => stage.mock.requests.length > asked && stage.mock.requests.at(-1)?.closedAt !== undefined,
      {
        what: 'the engine to be left',
      },
    );
  });
});

// compat(agents): history
test('a response goes on from the one before, calls and results included', async () => {
  const runner = runnerOf(true);
  const first = await runner.run(agent, play('trip'));
  const previousResponseId = first.lastResponseId ?? '';
  expect((await runner.run(agent, play('thought'), { previousResponseId })).finalOutput).toBe('Yes.');
  expect(JSON.stringify(stage.mock.requests.at(-1)?.body['messages'])).toContain('snow in Rome');
});

// compat(agents): reasoning
test('reasoning comes as an item of its own', async () => {
  const result = await runnerOf(true).run(agent, play('thought'));
  expect(JSON.stringify(result.newItems.filter(({ type }) => type === 'reasoning_item'))).toContain('hm');
});
