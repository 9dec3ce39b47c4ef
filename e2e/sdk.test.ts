/** The SDK of Sluice with a played model: what an application asks, and what it is told. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Generation, Session } from '@sluice/client';
import { GenerationFailedError } from '@sluice/client';
import { recordedClient } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { MODEL, play, refuses, says, startStage } from './support/played-model.ts';
import type { Stage } from './support/played-model.ts';

const SCHEMA = {
  ...{ type: 'object', properties: { lines: { type: 'number' } } },
  ...{ required: ['lines'], additionalProperties: false },
};

let stage: Stage;
let client: RecordedClient['client'];
beforeAll(async () => {
  stage = await startStage({
    hello: () => says('Hello, world.'),
    structured: () => says('{"lines":3}'),
    picture: () => says('A dot.'),
    'a long prompt': () => refuses(400, { message: 'it is too long', code: 'context_length_exceeded' }),
  });
  ({ client } = recordedClient(`${stage.url.replace('http', 'ws')}/v1/ws`));
});
afterAll(async () => {
  await client.close();
  await stage.close();
});

type Prompt = Exclude<Parameters<Session['prompt']>[0], string>;
const ask = (prompt: Prompt): Generation => client.session(randomUUID()).prompt({ model: MODEL, ...prompt });
const lastBody = (): Readonly<Record<string, unknown>> => stage.mock.requests.at(-1)?.body ?? {};

// compat(sluice): chat, usage
test('a prompt is answered with its text and what it took', async () => {
  const generation = ask({ input: play('hello') });
  expect(await generation.done).toBe('Hello, world.');
  const { reason, usage } = await generation.end;
  expect(reason).toBe('stop');
  expect(usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 7 });
});

// compat(sluice): structured output
test('a schema reaches the engine', async () => {
  const response_format = { type: 'json_schema', json_schema: { name: 'lines', schema: SCHEMA } };
  const generation = ask({ input: play('structured'), params: { response_format } });
  expect(JSON.parse(await generation.done)).toEqual({ lines: 3 });
  expect(lastBody()['response_format']).toEqual(response_format);
});

// compat(sluice): parts
test('a picture reaches the engine', async () => {
  const image_url = { url: 'data:image/png;base64,iVBORw0KGgo=' };
  const content = [
    { type: 'text', text: play('picture') },
    { type: 'image_url', image_url },
  ];
  const generation = ask({ messages: [{ role: 'user', content }] });
  expect(await generation.done).toBe('A dot.');
  expect(lastBody()['messages']).toMatchObject([{ role: 'user', content: [{}, { image_url }] }]);
});

// compat(sluice): error status
test('a refusal of the engine has its code and message', async () => {
  const error: unknown = await ask({ input: play('a long prompt') }).done.catch((reason: unknown) => reason);
  if (!(error instanceof GenerationFailedError)) throw error;
  expect(error.end.error).toMatchObject({
    code: 'upstream_rejected',
    upstream: { status: 400, code: 'context_length_exceeded', message: 'it is too long' },
  });
});
