import { describe, expect, test } from '@jest/globals';
import { PARAMETERS, refusedByRules, withoutIdle } from '@sluice/core';
import type { ParameterRule } from '@sluice/core';
import { newId, keyOf } from '../support/asking.ts';
import { request } from '../support/http.ts';
import type { Answer } from '../support/http.ts';
import { freshScene } from '../support/scene.ts';

const scene = freshScene();

const ROWS = Object.entries(PARAMETERS);
const only = (rule: ParameterRule): readonly unknown[] => (rule.type === 'only' ? rule.values : []);

type Outcome = { readonly status: number; readonly message?: string; readonly params?: unknown };

/** What each door says to a parameter, and what it stores. Chats have them under `params` as well. */
const DOORS: Readonly<Record<string, (params: object, id: string) => Promise<Answer>>> = {
  'PUT of a generation': (params, id) =>
    request(scene.target, `/v1/sessions/${id}/generations/${id}`, {
      ...{ method: 'PUT', body: { input: 'hi', params } },
    }),
  'chat completions': (params, id) =>
    request(scene.target, '/v1/chat/completions', {
      ...{ method: 'POST', headers: { 'x-sluice-session': id, 'x-sluice-generation': id } },
      body: { messages: [{ role: 'user', content: 'hi' }], ...params },
    }),
  responses: (params, id) =>
    request(scene.target, '/v1/responses', {
      ...{ method: 'POST', headers: { 'x-sluice-session': id, 'x-sluice-generation': id } },
      body: { input: 'hi', ...params },
    }),
};

/** Ends what was asked, so that whoever waits for it is answered. */
const outcomeOf = async (door: string, params: object): Promise<Outcome> => {
  const id = newId();
  const asking = DOORS[door]?.(params, id) as Promise<Answer>;
  const key = keyOf(id, id);
  const isStored = async (): Promise<boolean> => {
    const refused = await Promise.race([asking, new Promise<void>((resolve) => setImmediate(resolve))]);
    return refused !== undefined || (await scene.world.bus.sessions.item(key, key.generation)) !== undefined;
  };
  while (!(await isStored()));
  const entry = await scene.world.bus.sessions.prompt(key);
  if (entry !== undefined) await (await scene.worker.claim(key)).end();
  const { status, body } = await asking;
  const message = (body as { error?: { message: string } }).error?.message;
  return { status, ...(message === undefined ? {} : { message }), params: entry?.body.params };
};

/** A value of each that its engine gets. */
const VALUES: Readonly<Record<string, unknown>> = {
  ...{ temperature: 0.5, top_p: 0.5, max_tokens: 5, max_completion_tokens: 5, stop: 'x', seed: 1 },
  ...{ presence_penalty: 1, frequency_penalty: 1, response_format: { type: 'json_object' } },
  ...{ tools: [], tool_choice: 'auto', parallel_tool_calls: true, reasoning_effort: 'low' },
  ...{ verbosity: 'low', user: 'u' },
};
/** Objects of which responses look at the form; words for the rest. */
const IGNORED_VALUES: Readonly<Record<string, unknown>> = {
  ...{ stream: false, background: false, store: false, metadata: { a: 'b' }, stream_options: {} },
  ...{ include: ['reasoning.encrypted_content'], client_metadata: { a: 'b' } },
};
/** What responses say in other words. */
const NOT_IN_RESPONSES: ReadonlySet<string> = new Set(['tools', 'tool_choice', 'response_format']);

describe.each(Object.keys(DOORS))('by %s', (door) => {
  test('a parameter that is passed is stored for the engine', async () => {
    for (const [name] of ROWS.filter(([, { type }]) => type === 'passed')) {
      if (door === 'responses' && NOT_IN_RESPONSES.has(name)) continue;
      expect(VALUES).toHaveProperty(name);
      const outcome = await outcomeOf(door, { [name]: VALUES[name] });
      expect([name, outcome]).toMatchObject([name, { params: { [name]: VALUES[name] } }]);
    }
  });

  test('a parameter that is ignored is accepted and not stored', async () => {
    for (const [name] of ROWS.filter(([, { type }]) => type === 'ignored')) {
      const outcome = await outcomeOf(door, { [name]: IGNORED_VALUES[name] ?? 'auto' });
      expect([name, outcome.message, outcome.params]).toEqual([name, undefined, {}]);
    }
  });

  test('a parameter of which only one value can be had is refused by name with any other', async () => {
    for (const [name, rule] of ROWS.filter(([, { type }]) => type === 'only')) {
      for (const value of [...only(rule), null])
        expect([name, value, await outcomeOf(door, { [name]: value })]).toMatchObject([
          name,
          value,
          { params: {} },
        ]);
      const refused = await outcomeOf(door, { [name]: 7 });
      expect([name, refused]).toEqual([
        name,
        { status: 400, message: refusedByRules({ params: { [name]: 7 } }, { params: [], urlHosts: [] }) },
      ]);
      expect(refused.message).toMatch(new RegExp(`^\`${name}\`: expected `));
    }
  });

  test('a bound of -1, 0 or null is none', async () => {
    const names =
      door === 'responses' ? ['max_output_tokens', 'max_tokens'] : ['max_tokens', 'max_completion_tokens'];
    for (const name of names)
      for (const value of [-1, 0, null])
        expect([name, value, await outcomeOf(door, { [name]: value })]).toMatchObject([
          name,
          value,
          { params: {} },
        ]);
    for (const name of names)
      for (const value of [-2, 1.5, 2_000_000, 'many'])
        expect([name, value, (await outcomeOf(door, { [name]: value })).status]).toEqual([name, value, 400]);
  });

  test('a parameter that nobody knows is refused by name', async () => {
    expect(await outcomeOf(door, { guided_regex: 'a+' })).toMatchObject({
      ...{ status: 400, message: expect.stringContaining('`guided_regex`') },
    });
  });
});

test('a response’s refusal names the bound as the request does', async () => {
  for (const value of [-2, 2_000_000])
    expect((await outcomeOf('responses', { max_output_tokens: value })).message).toMatch(
      /^`max_output_tokens`: /,
    );
});

test('what the operator lets pass is neither ignored nor refused', () => {
  const params = { n: 1, logprobs: true, prompt_cache_key: 'k', seed: null };
  const allowed = ['logprobs', 'prompt_cache_key'];
  expect(withoutIdle(params, allowed)).toEqual({ logprobs: true, prompt_cache_key: 'k' });
  const rules = { params: allowed, urlHosts: [] };
  expect(refusedByRules({ params: withoutIdle(params, allowed) }, rules)).toBeUndefined();
});
