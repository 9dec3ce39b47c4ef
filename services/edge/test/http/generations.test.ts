import { describe, expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import type { RequestOptions } from '../support/http.ts';
import { codeIn, pathOf, request } from '../support/http.ts';
import { askOk, codeOf, keyOf, newId } from '../support/asking.ts';
import { freshScene } from '../support/scene.ts';

const scene = freshScene();

const put = (generation: string, body: unknown = { input: 'hello' }, more: RequestOptions = {}) =>
  request(scene.target, pathOf('s1', generation), { method: 'PUT', body, ...more });

describe('PUT of a generation', () => {
  test('creates it once: 201, then 200 with the item as it is then, and 409 for another body', async () => {
    const id = newId();
    const first = await put(id);
    expect([first.status, first.body]).toMatchObject([
      201,
      { id, status: 'queued', input: 'hello', user: 'ann' },
    ]);
    const run = await scene.worker.claim(keyOf('s1', id));
    expect([(await put(id)).status, (await put(id)).body]).toMatchObject([200, { status: 'running' }]);
    await run.write('the ', 'answer');
    await run.end();
    const again = await put(id);
    expect([again.status, again.body]).toMatchObject([200, { status: 'done', text: 'the answer' }]);
    const other = await put(id, { input: 'something else' });
    expect([other.status, codeIn(other)]).toEqual([409, 'conflict']);
    expect(scene.world.hub.queued.size).toBe(1);
  });

  test('many times at once creates one', async () => {
    const id = newId();
    const answers = await Promise.all(Array.from({ length: 20 }, () => put(id)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(19);
    expect(scene.world.hub.queued.size).toBe(1);
  });

  test('is the same prompt as the one on the WebSocket', async () => {
    const id = newId();
    await put(id);
    const client = await scene.target.open();
    const prompt = { type: 'prompt', session: 's1', generation: id, input: 'hello' };
    expect(await askOk(client, prompt)).toMatchObject({ created: false });
    expect(await codeOf(client, { ...prompt, input: 'else' })).toBe('conflict');
  });

  test('lets the run go on when nobody watches, unless the body says otherwise', async () => {
    const onAbandonOf = async (body: object): Promise<unknown> => {
      const id = newId();
      await put(id, { input: 'x', ...body });
      return (await scene.world.bus.sessions.prompt(keyOf('s1', id)))?.body.onAbandon;
    };
    expect(await onAbandonOf({})).toBe('finish');
    expect(await onAbandonOf({ onAbandon: 'park' })).toBe('park');
  });

  test('answers a token without scope `read` without the text', async () => {
    const id = newId();
    await put(id);
    const run = await scene.worker.claim(keyOf('s1', id));
    await run.write('secret');
    await run.end();
    expect((await put(id, { input: 'hello' }, { as: { scope: 'prompt' } })).text).not.toContain('secret');
    const read = await request(scene.target, pathOf('s1', id), { as: { scope: 'prompt' } });
    expect([read.status, codeIn(read)]).toEqual([403, 'forbidden']);
  });

  test('names the field that is wrong and never its content', async () => {
    const wrong: [unknown, string][] = [
      [{ input: 'x', params: { max_tokens: 'canary' } }, '`params.max_tokens`'],
      [{ input: 'x', messages: [{ role: 'user', content: 'canary' }] }, 'exactly one of'],
      [{ messages: [{ role: 'user', content: { canary: 1 } }] }, '`messages.0.content`'],
      [{}, 'exactly one of'],
      [[], ''],
      ['{"input": "canary', 'JSON'],
      ['{"input":"x","__proto__":{"canary":1}}', 'JSON'],
    ];
    for (const [body, expected] of wrong) {
      const answer = await put(newId(), body);
      expect([answer.status, codeIn(answer)]).toEqual([400, 'bad_frame']);
      expect(answer.text).toContain(expected);
      expect(answer.text + scene.target.logs.join('')).not.toContain('canary');
    }
    const form = await put(newId(), 'input=x', { headers: { 'content-type': 'text/plain' } });
    expect([form.status, codeIn(form)]).toEqual([415, 'bad_frame']);
  });

  test('refuses what is too large before it is parsed, and names the limit', async () => {
    const answer = await put(newId(), { input: 'x'.repeat(17 * 1024 * 1024) });
    expect([answer.status, codeIn(answer)]).toEqual([413, 'too_large']);
    expect(answer.text).toContain('expected at most 16777216 bytes');
    // Closed at once, a client that still sends would see a reset and not this answer.
    expect(answer.headers.get('connection')).not.toBe('close');
    expect(scene.target.recording.operations).toEqual([]);
  });

  test('takes a text of just the largest size', async () => {
    const [id, input] = [newId(), 'x'.repeat(16 * 1024 * 1024)];
    expect((await put(id, { input })).status).toBe(201);
    const stored = await scene.world.bus.sessions.prompt(keyOf('s1', id));
    expect(stored?.body.input === input).toBe(true);
    expect((await put(id, { input })).status).toBe(200);
    expect((await put(id, { input: `${input}!` })).status).toBe(409);
  });

  test('takes so many large ones at once as there is room for, and the others a moment later', async () => {
    const MIB = 1024 * 1024;
    scene.target = await scene.world.addEdge({ maxLargeBytes: 20 * MIB });
    const input = 'x'.repeat(6 * MIB);
    const ids = Array.from({ length: 20 }, newId);
    const answers = await Promise.all(ids.map((id) => put(id, { input })));
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(0);
    for (const { headers } of refused) expect(headers.get('retry-after')).toBe('1');
    for (const id of ids) expect([200, 201]).toContain((await put(id, { input })).status);
  });
});

describe('GET of a generation', () => {
  test('whose end was told already waits for its item to say so too', async () => {
    const id = newId();
    await put(id);
    const run = await scene.worker.claim(keyOf('s1', id));
    await run.write('all');
    await run.endLog();
    const { operations } = scene.target.recording;
    operations.length = 0;
    const asked = request(scene.target, pathOf('s1', id));
    await waitFor(() => operations.includes('tokens.head'), { what: 'a look at the log' });
    await run.settle({ reason: 'stop' });
    expect((await asked).body).toMatchObject({ status: 'done', text: 'all' });
  });

  test('that does not exist, or that is a message, is not found', async () => {
    const client = await scene.target.open();
    await askOk(client, { type: 'message', session: 's1', message: 'm1', text: 'hi' });
    for (const id of ['none', 'm1']) {
      const answer = await request(scene.target, pathOf('s1', id));
      expect([answer.status, codeIn(answer)]).toEqual([404, 'not_found']);
    }
  });
});

describe('DELETE of a generation', () => {
  test('cancels it: accepted, again too, and 404 where there is none', async () => {
    const id = newId();
    await put(id);
    const cancel = () => request(scene.target, pathOf('s1', id), { method: 'DELETE' });
    expect(await cancel()).toMatchObject({ status: 202, text: '' });
    expect((await request(scene.target, pathOf('s1', id))).body).toMatchObject({ reason: 'cancelled' });
    expect((await cancel()).status).toBe(202);
    expect((await request(scene.target, pathOf('s1', 'none'), { method: 'DELETE' })).status).toBe(404);
  });

  test('is for its author and for scope `cancel`', async () => {
    const id = newId();
    await put(id);
    const by = (as: object) => request(scene.target, pathOf('s1', id), { method: 'DELETE', as });
    expect((await by({ user: 'bob', scope: 'read prompt' })).status).toBe(403);
    expect((await by({ user: 'bob' })).status).toBe(202);
  });
});

describe('GET of a session', () => {
  test('lists its items page by page', async () => {
    const ids = ['g1', 'g2', 'g3'];
    for (const id of ids) await put(id);
    type Page = { items: { id: string }[]; rev: number; more?: true };
    const seen: string[][] = [];
    for (let after = 0, more: true | undefined = true; more;) {
      const answer = await request(scene.target, `${pathOf('s1')}?after=${after}&limit=2`);
      const page = answer.body as Page;
      seen.push(page.items.map(({ id }) => id));
      ({ rev: after, more } = page);
    }
    expect(seen).toEqual([['g1', 'g2'], ['g3']]);
    expect((await request(scene.target, pathOf('empty'))).body).toEqual({
      items: [],
      rev: 0,
      store: 'memory',
    });
  });

  test('refuses a cursor or limit that is none', async () => {
    for (const query of ['after=-1', 'after=x', 'limit=0', 'limit=101', 'limit=1.5'])
      expect((await request(scene.target, `${pathOf('s1')}?${query}`)).status).toBe(400);
  });
});

test('GET of the models lists what live workers offer, as OpenAI does', async () => {
  await scene.world.addWorker('w2', ['m2', 'm1']);
  const listed = async (): Promise<unknown> => (await request(scene.target, '/v1/models')).body;
  // The list is as of a moment ago.
  await waitFor(async () => JSON.stringify(await listed()).includes('m2'), { what: 'the second worker' });
  const model = (id: string) => ({ id, object: 'model', created: 0, owned_by: 'sluice' });
  expect(await listed()).toEqual({ object: 'list', data: [model('m1'), model('m2')] });
});
