import { afterEach, describe, expect, test } from '@jest/globals';
import { startMockServer } from '@sluice/simulator';
import type { MockServer } from '@sluice/simulator';
import { collect, never, requestOf } from '@sluice/testkit';
import { OpenAiEngine } from '../../src/engines/openai/openai-engine.ts';
import { PROFILES } from '../../src/engines/openai/profile.ts';
import type { Profile } from '../../src/engines/openai/profile.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const serve = async (quirks: Profile): Promise<{ mock: MockServer; engine: OpenAiEngine }> => {
  const mock = await startMockServer({ quirks, simulated: { tokens: 5 } });
  const engine = new OpenAiEngine({ upstream: mock.url, profile: quirks, apiKey: 'sk-secret' });
  closing.push(
    () => mock.close(),
    () => engine.close(),
  );
  return { mock, engine };
};

const MESSAGES = [
  { role: 'developer', content: 'Be brief.' },
  { role: 'user', name: 'ann', content: 'hi' },
  { role: 'user', name: 'bob', content: 'hello' },
];

describe.each(PROFILES)('a server of the profile %s', (profile) => {
  test('takes a prompt with all that others take at the first try, and says what it took', async () => {
    const { mock, engine } = await serve(profile);
    const params = { seed: 7, max_completion_tokens: 50, temperature: 0.5 };
    const request = { ...requestOf('x'), messages: MESSAGES, params };
    const { end } = await collect(engine.generate(request, never()));
    expect(end.usage).toMatchObject({ completion_tokens: expect.any(Number) });
    expect(mock.requests).toHaveLength(1);
  });
});

test('what a profile does not have is said in its words', async () => {
  const { mock, engine } = await serve('mistral');
  const params = { seed: 7, max_completion_tokens: 50 };
  await collect(engine.generate({ ...requestOf('x'), messages: MESSAGES, params }, never()));
  expect(mock.requests[0]?.body).toEqual({
    ...{ model: 'simulated', stream: true, random_seed: 7, max_tokens: 50 },
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'ann: hi\n\nbob: hello' },
    ],
  });
});

test('a deployment at Azure is asked with its version and its own header for the key', async () => {
  const { mock, engine } = await serve('azure');
  expect(mock.url).toMatch(/\/openai\/deployments\/mock\?api-version=/);
  await collect(engine.generate(requestOf('x'), never()));
  const [asked] = mock.requests;
  expect(asked?.headers['api-key']).toBe('sk-secret');
  expect(asked?.headers.authorization).toBeUndefined();
  await expect(engine.models(never())).rejects.toMatchObject({ status: 404 });
});
