/** Prompts and answers of any size, through the whole system: byte for byte at the engine, whole for every viewer. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { Engine } from '@sluice/core';
import { startMockServer } from '@sluice/simulator';
import type { MockServer } from '@sluice/simulator';
import { sha256, waitFor } from '@sluice/testkit';
import { OpenAiEngine } from '@sluice/worker';
import type { Worker } from '@sluice/worker';
import { keyOf, recordedClient, tokenFor } from './support/clients.ts';
import { emptyStream } from './support/empty-stream.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Says what it is told to, in pieces of any size, under a model of its own. */
class SayingEngine implements Engine {
  readonly name = 'saying';
  text = '';
  models = (): Promise<readonly string[]> => Promise.resolve(['saying']);
  canContinue = (): boolean => true;
  close = (): Promise<void> => Promise.resolve();
  async *generate(): ReturnType<Engine['generate']> {
    for (let from = 0; from < this.text.length; from += 9_000) yield this.text.slice(from, from + 9_000);
    return { reason: 'stop' };
  }
}

let system: System;
let bus: Bus;
let url: string;
let mock: MockServer;
let sayer: Worker;
const engine = new SayingEngine();
beforeAll(async () => {
  system = await startSystem();
  bus = await system.bus();
  mock = await startMockServer({ simulated: { tokens: 3 } });
  await system.addWorker(new OpenAiEngine({ upstream: mock.url, profile: 'openai' }));
  sayer = await system.addWorker(engine, { slots: 1 });
  ({ url } = await system.addEdge());
});
afterAll(async () => {
  await system.close();
  await mock.close();
});

const request = (path: string, method = 'GET', body?: object): Promise<Response> =>
  fetch(`${url}/v1/sessions/${path}`, {
    method,
    headers: { authorization: `Bearer ${tokenFor('ann')}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
/** What the engine was asked last. */
const asked = (): string => {
  const messages = mock.requests.at(-1)?.body['messages'] as { content: string }[] | undefined;
  return messages?.at(-1)?.content ?? '';
};
/** Of exactly so many bytes in JSON, without its quotes; no piece of it is like another. */
const textOf = (bytes: number): string => {
  let text = '';
  for (let n = 0; text.length < bytes / 2; n += 1) text += `${n} "é" \\ 😀\n`;
  const left = bytes - (Buffer.byteLength(JSON.stringify(text)) - 2);
  return text + 'x'.repeat(left);
};

describe('a prompt', () => {
  test('of 16 MiB over HTTP reaches the engine byte for byte', async () => {
    const input = textOf(16 * MIB);
    const path = `${randomUUID()}/generations/g`;
    expect((await request(path, 'PUT', { input, model: 'simulated' })).status).toBe(201);
    const done = await request(`${path}?wait=20`);
    const item = (await done.json()) as { status: string; input: string };
    expect(item.status).toBe('done');
    expect(sha256(asked())).toBe(sha256(input));
    expect(sha256(item.input)).toBe(sha256(input));
  }, 60_000);

  test('of nearly 1 MiB goes as a frame, and a larger one of the SDK over HTTP', async () => {
    for (const [bytes, framed] of [
      [MIB - 500, 1],
      [5 * MIB, 0],
    ] as const) {
      const { client, sockets } = recordedClient(url);
      const input = textOf(bytes);
      const generation = client.session(randomUUID()).prompt({ input, model: 'simulated' });
      expect(await generation.done).not.toBe('');
      expect(sha256(asked())).toBe(sha256(input));
      const prompts = sockets.flatMap(({ sent }) => sent).filter(({ type }) => type === 'prompt');
      expect(prompts).toHaveLength(framed);
      await client.close();
    }
  }, 60_000);

  test('of 17 MiB is refused with the limit', async () => {
    const answer = await request('s/generations/large', 'PUT', { input: 'x'.repeat(17 * MIB) });
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({
      error: { code: 'too_large', message: 'the body: expected at most 16777216 bytes' },
    });
  });
});

describe.each([
  ['512 KiB of newlines', '\n'.repeat(512 * KIB)],
  ['200,000 NULs', '\u0000'.repeat(200_000)],
  ['quotes', '"'.repeat(400 * KIB)],
  // A pair of surrogates that is torn between two tokens counts as more than it is.
  ['nearly 4 MiB', textOf(4 * MIB - 16 * KIB)],
])('an answer of %s', (_name, text) => {
  test('ends, frees its slot, and is whole while it is made and after its log', async () => {
    engine.text = text;
    const session = randomUUID();
    const { client } = recordedClient(url);
    const generation = client.session(session).prompt({ generation: 'g', input: 'go', model: 'saying' });
    expect(sha256(await generation.done)).toBe(sha256(text));
    await waitFor(() => sayer.running === 0, { what: 'the slot to be free' });
    const whole = (await (await request(`${session}/generations/g?wait=5`)).json()) as { text: string };
    expect(sha256(whole.text)).toBe(sha256(text));
    await client.close();
    await emptyStream(system.nats.url, 'TOKENS');
    const { url: other } = await system.addEdge();
    const late = recordedClient(other);
    await late.client.session(session).subscribe();
    expect(late.client.session(session).items.get('g')).toMatchObject({ status: 'done', reason: 'stop' });
    expect(sha256(await late.client.session(session).generation('g').done)).toBe(sha256(text));
    await late.client.close();
  }, 60_000);
});

test('a listing of 1,000 items with long texts needs no body, and each alone tells that it is lost', async () => {
  const key = keyOf(randomUUID(), 'g');
  const line = { kind: 'message', user: 'ann', createdAt: 1 } as const;
  const text = 'x'.repeat(30 * KIB);
  for (let from = 0; from < 999; from += 37)
    await Promise.all(
      Array.from({ length: 37 }, (_, n) =>
        bus.sessions.createItem(key, { ...line, id: `i${from + n}`, text }),
      ),
    );
  await bus.sessions.createItem(key, {
    ...{ id: 'g', kind: 'generation', user: 'ann', createdAt: 2, model: 'm', input: 'go' },
    ...{ governor: 'fastest', status: 'done', attempt: 1, epoch: 0, seq: 7, reason: 'stop', text },
  });
  await emptyStream(system.nats.url, 'BODIES');
  const { client } = recordedClient(url);
  await client.session(key.session).subscribe();
  expect(client.session(key.session).items.size).toBe(1_000);
  const page = (await (await request(`${key.session}?limit=100`)).json()) as { items: { text: string }[] };
  expect(page.items).toHaveLength(100);
  expect(page.items[0]).toMatchObject({ text: 'x'.repeat(KIB), bodies: { message: { chunks: 1 } } });
  expect((await request(`${key.session}/generations/g`)).status).toBe(404);
  await expect(client.session(key.session).generation('g').done).rejects.toMatchObject({ code: 'not_found' });
  await client.close();
}, 60_000);
