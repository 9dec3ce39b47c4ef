import { describe, expect, test } from '@jest/globals';
import { openRawClient } from '@sluice/testkit';
import { keyOf, newId } from '../support/asking.ts';
import { codeIn, pathOf, request } from '../support/http.ts';
import type { Answer, RequestOptions } from '../support/http.ts';
import { freshScene } from '../support/scene.ts';
import { tokenOf } from '../support/world.ts';

const scene = freshScene();
const ask = (path: string, options?: RequestOptions): Promise<Answer> => request(scene.target, path, options);

/** Every route without a body, with the methods that clients call JSON all the same. */
const BODYLESS: readonly (readonly [method: string, path: string, status: number])[] = [
  ['DELETE', pathOf('s1', 'g1'), 404],
  ['DELETE', '/v1/sessions/s1', 404],
  ['DELETE', '/v1/sessions/s1/items/i1', 404],
  ['DELETE', '/v1/connections/c1', 404],
  ['POST', '/v1/connections', 201],
  ['POST', '/v1/responses/resp_1/cancel', 404],
  ['POST', '/api/chat/c1/stop', 204],
];

const TYPES = ['application/json', 'application/json; charset=utf-8', 'application/x-www-form-urlencoded'];

test.each(BODYLESS)(
  '%s %s without a body is served whatever it calls itself',
  async (method, path, status) => {
    for (const type of TYPES) {
      const asked = { method, headers: { 'content-type': type } };
      for (const answer of [await ask(path, asked), await ask(path, { ...asked, body: '' })])
        expect([type, answer.status, answer.text]).toEqual([type, status, answer.text]);
    }
  },
);

test('a cancel that calls itself JSON stops the engine', async () => {
  const generation = newId();
  await ask(pathOf('s1', generation), { method: 'PUT', body: { input: 'x' } });
  const run = await scene.worker.claim(keyOf('s1', generation));
  await run.serve();
  const headers = { 'content-type': 'application/json' };
  const cancelled = await ask(pathOf('s1', generation), { method: 'DELETE', headers });
  expect([cancelled.status, run.cancels]).toEqual([202, ['ann']]);
});

test('a body that a route needs is still asked for, and another type is refused', async () => {
  const path = pathOf('s1', newId());
  const headers = { 'content-type': 'application/json' };
  expect((await ask(path, { method: 'PUT', headers })).status).toBe(400);
  const form = { method: 'PUT', body: 'input=x', headers: { 'content-type': 'text/plain' } };
  expect((await ask(path, form)).status).toBe(415);
  expect((await ask(path, { method: 'PUT', headers, body: '{' })).status).toBe(400);
});

describe('an address', () => {
  test.each(['//v1/models', '/v1/v1/models', '/v1/models/', '/v1//models', '//v1/v1//models/?x=1'])(
    'means what its client meant: %s',
    async (path) => expect((await ask(path)).status).toBe(200),
  );

  test.each(['//v1/ws', '/v1/v1/ws', '/v1/ws/'])('opens a WebSocket as well: %s', async (path) => {
    const url = `${scene.target.edge.url.replace('http', 'ws')}${path}`;
    const client = await openRawClient(url, { token: tokenOf() });
    expect(await client.nextFrame('ready')).toMatchObject({ user: 'ann' });
    client.close();
  });

  test('that leads nowhere is still refused', async () => {
    for (const path of ['/v1/v1', '/v1/v2/models', '//', '/models'])
      expect([path, codeIn(await ask(path))]).toEqual([path, 'not_found']);
  });
});

describe('a model', () => {
  test.each(['org/name', 'name:7b', 'a b/c%d', 'v1/v1'])(
    'is found by its id, encoded or not: %s',
    async (id) => {
      await scene.world.addWorker(`worker-${newId()}`, [id]);
      const encoded = encodeURIComponent(id);
      for (const path of [encoded, encoded.replaceAll('%2F', '/').replaceAll('%3A', ':')])
        expect(await ask(`/v1/models/${path}`)).toMatchObject({
          status: 200,
          body: { id, object: 'model', created: 0, owned_by: 'sluice' },
        });
    },
  );

  test('that nobody offers is refused alike by every door, with those that are', async () => {
    const model = 'gpt-x';
    const said = { messages: [{ role: 'user', content: 'hi' }] };
    const chat = { id: 'c1', messages: [{ id: 'm', role: 'user', parts: [{ type: 'text', text: 'hi' }] }] };
    const post = (path: string, body: object): Promise<Answer> => ask(path, { method: 'POST', body });
    const answers = [
      await post('/v1/chat/completions', { model, ...said }),
      await post('/v1/chat/completions', { model, ...said, stream: true }),
      await post('/v1/responses', { model, input: 'hi' }),
      await post('/v1/responses', { model, input: 'hi', stream: true }),
      await post('/api/chat', { model, ...chat }),
      await ask(pathOf('s1', newId()), { method: 'PUT', body: { model, input: 'hi' } }),
    ];
    const message = '`model`: no worker offers this one; expected `m1`';
    for (const answer of answers)
      expect([answer.status, answer.body]).toMatchObject([
        404,
        { error: { code: 'model_not_found', message } },
      ]);
    const client = await scene.target.open();
    client.send({ type: 'prompt', id: '1', session: 's1', generation: newId(), model, input: 'hi' });
    expect(await client.nextFrame('error')).toMatchObject({ code: 'model_not_found', message });
  });

  test('that nobody offers is not there, and those that are get named', async () => {
    const answer = await ask('/v1/models/gpt-x');
    expect([answer.status, codeIn(answer)]).toEqual([404, 'model_not_found']);
    expect(answer.text).toContain('`m1`');
  });
});
