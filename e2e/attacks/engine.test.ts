/** What a user may make the engine do or fetch: asked through each door, seen where a model server would be. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Edge } from '@sluice/edge';
import { startMockServer } from '@sluice/simulator';
import type { MockServer } from '@sluice/simulator';
import { waitFor } from '@sluice/testkit';
import { OpenAiEngine } from '@sluice/worker';
import { recordedClient, tokenFor } from '../support/clients.ts';
import { startSystem } from '../support/system.ts';
import type { System } from '../support/system.ts';

/** A picture, as the AI SDK and both APIs of OpenAI name it. */
const pictureIn = (url: string) => [{ type: 'image_url', image_url: { url } }];

type Asked = { readonly params?: object; readonly picture?: string };
/** How it went: refused with these words, or taken and ended so. */
type Outcome = { readonly refused?: string; readonly ended?: string };
type Door = readonly [name: string, ask: (asked: Asked) => Promise<Outcome>];

let system: System;
let edge: Edge;
let mock: MockServer;

beforeAll(async () => {
  system = await startSystem();
  mock = await startMockServer({ quirks: 'vllm', simulated: { tokens: 2 } });
  edge = await system.addEdge();
  await system.addWorker(new OpenAiEngine({ upstream: mock.url, profile: 'vllm' }));
  // An edge looks who is there every other second.
  await waitFor(async () => (await (await call('GET', '/v1/models')).text()).includes('simulated'), {
    what: 'a model',
  });
});
afterAll(async () => {
  await system.close();
  await mock.close();
});
let seen: number;
beforeEach(() => {
  seen = mock.requests.length;
});

const call = (method: string, path: string, body?: object): Promise<Response> =>
  fetch(`${edge.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${tokenFor('mallory')}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

/** Reads all of it, so that what was taken has ended. */
const outcomeOf = async (response: Response): Promise<Outcome> => {
  const text = await response.text();
  return response.ok ? { ended: text } : { refused: text };
};

const contentOf = ({ picture }: Asked): unknown =>
  picture === undefined ? 'hello' : [{ type: 'text', text: 'look' }, ...pictureIn(picture)];

/** What is asked about is in the conversation's past, too. */
const messagesOf = (asked: Asked): object[] => [
  { role: 'user', content: contentOf(asked) },
  { role: 'assistant', content: 'well' },
  { role: 'user', content: 'and now?' },
];

const byWebSocket = async (asked: Asked): Promise<Outcome> => {
  const { client } = recordedClient(`ws://127.0.0.1:${edge.port}/v1/ws`, 'mallory');
  try {
    const body = { messages: messagesOf(asked), ...(asked.params && { params: asked.params }) };
    const run = client.session(randomUUID()).prompt(body as never);
    return { ended: await run.done };
  } catch (error) {
    return { refused: (error as Error).message };
  } finally {
    await client.close();
  }
};

const byPut = async (asked: Asked): Promise<Outcome> => {
  const path = `/v1/sessions/${randomUUID()}/generations/${randomUUID()}`;
  const { params } = asked;
  const put = await call('PUT', path, { messages: messagesOf(asked), ...(params && { params }) });
  return put.ok ? outcomeOf(await call('GET', `${path}?wait=10`)) : outcomeOf(put);
};

const byChatCompletion = async (asked: Asked): Promise<Outcome> =>
  outcomeOf(await call('POST', '/v1/chat/completions', { messages: messagesOf(asked), ...asked.params }));

const byResponse = async (asked: Asked): Promise<Outcome> => {
  const { picture, params } = asked;
  const image = picture === undefined ? [] : [{ type: 'input_image', image_url: picture }];
  const content = [{ type: 'input_text', text: 'hello' }, ...image];
  const input = [
    { role: 'user', content },
    { role: 'user', content: 'and now?' },
  ];
  return outcomeOf(await call('POST', '/v1/responses', { input, ...params }));
};

const byChatOfAiSdk = async (asked: Asked): Promise<Outcome> => {
  const { picture, params } = asked;
  const file = picture === undefined ? [] : [{ type: 'file', mediaType: 'image/png', url: picture }];
  const messages = [
    { id: 'm1', role: 'user', parts: [{ type: 'text', text: 'hello' }, ...file] },
    { id: 'm2', role: 'assistant', parts: [{ type: 'text', text: 'well' }] },
    { id: 'm3', role: 'user', parts: [{ type: 'text', text: 'and now?' }] },
  ];
  return outcomeOf(
    await call('POST', '/api/chat', { id: randomUUID(), messages, ...(params && { params }) }),
  );
};

const DOORS: readonly Door[] = [
  ['a WebSocket', byWebSocket],
  ['PUT', byPut],
  ['chat completions', byChatCompletion],
  ['responses', byResponse],
  ['the AI SDK’s chat', byChatOfAiSdk],
];

/** Each costs more than one answer, jumps a queue or reaches into the server. */
const HOSTILE_PARAMS: readonly (readonly [string, unknown])[] = [
  ['best_of', 64],
  ['priority', -1_000_000],
  ['guided_regex', '(a+)+$'],
  ['guided_json', { type: 'object' }],
  ['logit_bias', { 1: 100 }],
  ['use_beam_search', true],
  ['min_tokens', 100_000],
  ['ignore_eos', true],
  ['prompt_logprobs', 20],
  ['chat_template', '{{ x }}'],
  ['lora_path', '/etc'],
  ['mm_processor_kwargs', {}],
  ['kv_transfer_params', {}],
];

const HOSTILE_ADDRESSES = [
  'http://169.254.169.254/latest/meta-data/',
  'https://169.254.169.254/latest/meta-data/',
  'file:///etc/passwd',
  'https://127.0.0.1/',
  'https://2130706433/',
  'https://0x7f.1/',
  'https://[::1]/',
  'https://[::ffff:10.0.0.1]/',
  'https://10.1.2.3/',
  'https://192.168.0.1/x.png',
  'https://localhost/x.png',
  'https://metadata.google.internal/',
  'https://nats/',
  'http://example.com/x.png',
  'ftp://example.com/x.png',
  '//169.254.169.254/x.png',
  '/etc/passwd',
];

describe.each(DOORS)('by %s', (_door, ask) => {
  test('each hostile parameter is refused by name and never reaches the engine', async () => {
    const taken: string[] = [];
    for (const [name, value] of HOSTILE_PARAMS) {
      const { refused = '' } = await ask({ params: { [name]: value } });
      if (!refused.includes(`\`${name}\``)) taken.push(name);
    }
    expect({ taken, reached: mock.requests.length - seen }).toEqual({ taken: [], reached: 0 });
  });

  test('each hostile address is refused, wherever it stands, and never reaches the engine', async () => {
    const taken: string[] = [];
    for (const picture of HOSTILE_ADDRESSES) {
      const { refused = '' } = await ask({ picture });
      if (!refused.includes('SLUICE_UPSTREAM_URL_HOSTS')) taken.push(picture);
    }
    expect({ taken, reached: mock.requests.length - seen }).toEqual({ taken: [], reached: 0 });
  });

  test('what is usual reaches the engine as it was said', async () => {
    const params = { temperature: 0.5, top_p: 0.9, top_k: 5 };
    for (const picture of ['https://example.com/x.png', 'data:image/png;base64,AAAA']) {
      expect(await ask({ params, picture })).toHaveProperty('ended');
      const body = mock.requests.at(-1)?.body;
      expect(body).toMatchObject(params);
      expect(JSON.stringify(body)).toContain(picture);
    }
    expect(mock.requests.slice(seen)).toHaveLength(2);
  });
});
