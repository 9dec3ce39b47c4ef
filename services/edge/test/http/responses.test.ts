import { beforeEach, describe, expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import type { RawEventStream } from '@sluice/testkit';
import { keyOf, newId } from '../support/asking.ts';
import type { FakeRun } from '../support/fake-worker.ts';
import { openStream, request } from '../support/http.ts';
import type { Answer, RequestOptions } from '../support/http.ts';
import { freshScene } from '../support/scene.ts';

const scene = freshScene();
let id: string;
beforeEach(() => {
  id = newId();
});

const named = (): Record<string, string> => ({ 'x-sluice-session': id, 'x-sluice-generation': id });
const post = (body: object, options: RequestOptions = {}): Promise<Answer> =>
  request(scene.target, '/v1/responses', { method: 'POST', body, headers: named(), ...options });
const get = (path: string, options: RequestOptions = {}): Promise<Answer> =>
  request(scene.target, `/v1/responses/${path}`, options);
const follow = (after?: number, edge = scene.target): Promise<RawEventStream> => {
  const more = after === undefined ? '' : `&starting_after=${after}`;
  return openStream(edge, `/v1/responses/${id}?stream=true${more}`);
};
const background = { input: 'hi', background: true };
const start = async (body: object = background): Promise<FakeRun> => {
  expect((await post(body)).status).toBe(200);
  const run = await scene.worker.claim(keyOf(id, id));
  await run.serve();
  return run;
};
const errorIn = ({ status, body }: Answer): object => ({ status, ...(body as { error: object }).error });
const numbersIn = ({ events }: RawEventStream): number[] =>
  events
    .filter(({ data }) => data !== undefined)
    .map(({ data }) => (JSON.parse(data ?? '') as { sequence_number: number }).sequence_number);
const typesIn = ({ events }: RawEventStream): string[] =>
  events.filter(({ data }) => data !== undefined).map(({ event }) => event.replace('response.', ''));
const lastOf = ({ events }: RawEventStream): unknown => JSON.parse(events.at(-1)?.data ?? 'null');

describe('a response', () => {
  test('in the background is answered at once, and read again from what is stored', async () => {
    const body = { ...background, instructions: 'Be brief.', metadata: { a: 'b' }, temperature: 0.5 };
    const started = await post(body);
    const shared = { id, object: 'response', background: true, instructions: 'Be brief.', temperature: 0.5 };
    expect(started.body).toMatchObject({ ...shared, status: 'queued', output: [], metadata: { a: 'b' } });
    const run = await scene.worker.claim(keyOf(id, id));
    await run.serve();
    expect((await get(id)).body).toMatchObject({ ...shared, status: 'in_progress' });
    await run.write({ kind: 'reasoning', text: 'hm' }, 'the answer');
    await run.end({ reason: 'stop', usage: { prompt_tokens: 1, completion_tokens: 2 } });
    const other = await scene.world.addEdge();
    const { body: read } = await request(other, `/v1/responses/${id}`);
    expect(read).toMatchObject({
      ...{ ...shared, status: 'completed', usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 } },
      output: [
        { type: 'reasoning', content: [{ type: 'reasoning_text', text: 'hm' }] },
        { type: 'message', content: [{ type: 'output_text', text: 'the answer', annotations: [] }] },
      ],
    });
    expect((await scene.world.bus.sessions.prompt(keyOf(id, id)))?.body).toMatchObject({
      ...{ onAbandon: 'finish', params: { temperature: 0.5 } },
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'hi' },
      ],
    });
    expect((await post({ ...body, metadata: { a: 'c' } })).status).toBe(409);
  });

  test.each([true, false])('that fails before its first token is a status: stream %s', async (stream) => {
    const asking = post({ input: 'hi', stream });
    const run = await scene.worker.claim(keyOf(id, id));
    const upstream = { status: 400, code: 'context_length_exceeded', param: 'input', message: 'too long' };
    await run.end({ reason: 'error', error: { code: 'upstream_rejected', message: 'no', upstream } });
    expect(errorIn(await asking)).toEqual({
      ...{ status: 400, type: 'invalid_request_error', code: 'context_length_exceeded' },
      ...{ param: 'input', message: 'too long' },
    });
  });

  test('that fails in the background is one that failed, with the code of the failure', async () => {
    const run = await start();
    const upstream = { status: 400, code: 'invalid_prompt', message: 'flagged' };
    await run.end({ reason: 'error', error: { code: 'upstream_rejected', message: 'no', upstream } });
    expect((await get(id)).body).toMatchObject({
      status: 'failed',
      error: { code: 'invalid_prompt', message: 'flagged' },
    });
  });

  test('that is not in the background is answered when it is done, and tells of a failure as its status', async () => {
    const asking = post({ input: 'hi' });
    const run = await scene.worker.claim(keyOf(id, id));
    await run.serve();
    await run.write('half');
    await run.end({ reason: 'error', error: { code: 'upstream_unavailable', message: 'broke off' } });
    expect(await asking).toMatchObject({
      status: 200,
      body: { status: 'failed', error: { code: 'server_error', message: 'broke off' } },
    });
  });

  test('is nobody’s who cannot see its session, nor is what came some other way', async () => {
    await start();
    const nowhere = { status: 404, code: 'not_found' };
    expect(errorIn(await get(id, { as: { org: 'globex' } }))).toMatchObject(nowhere);
    expect(errorIn(await get(id, { as: { sessions: ['mine'] } }))).toMatchObject(nowhere);
    for (const wrong of ['x', 'a.b.c', 'a%2Fb', '.', `${id}.${id}x`])
      expect(errorIn(await get(wrong))).toMatchObject({ status: 404 });
    await request(scene.target, '/v1/chat/completions', {
      ...{ method: 'POST', headers: { 'x-sluice-session': 'c', 'x-sluice-generation': 'c' } },
      body: { messages: [{ role: 'user', content: 'x' }], stream: true, model: 'none' },
    });
    expect(errorIn(await get('c'))).toMatchObject(nowhere);
  });

  test('is refused where what it keeps of its request is too large for the store', async () => {
    scene.target = await scene.world.addEdge({ maxPromptBytes: 256 * 1024 });
    // 5 bytes each as they come, 22 as they are stored; none of it is the prompt's.
    const include = `1e20${',1e20'.repeat(20_000)}`;
    const answer = await request(scene.target, '/v1/responses', {
      ...{ method: 'POST', body: `{"input":"hi","include":[${include}]}` },
    });
    expect(errorIn(answer)).toMatchObject({ status: 413, code: 'too_large' });
    expect(scene.world.hub.prompts.size).toBe(0);
  });

  test('has an id as long as those of its session and its generation may be', async () => {
    const [session, generation] = ['s'.repeat(64), 'g'.repeat(64)];
    const headers = { 'x-sluice-session': session, 'x-sluice-generation': generation };
    const long = `${session}.${generation}`;
    expect((await post(background, { headers })).body).toMatchObject({ id: long });
    expect((await get(long)).body).toMatchObject({ id: long });
  });

  test('is cancelled by its own verb, again and again', async () => {
    const run = await start();
    await run.write('half');
    const cancelling = request(scene.target, `/v1/responses/${id}/cancel`, { method: 'POST' });
    await waitFor(() => run.cancels.length > 0, { what: 'a cancel' });
    await run.end({ reason: 'cancelled' });
    expect((await cancelling).body).toMatchObject({ id, status: 'cancelled', output: [{ type: 'message' }] });
    // As the clients do that call every request JSON.
    const again = await request(scene.target, `/v1/responses/${id}/cancel`, { method: 'POST', body: '' });
    expect(again).toMatchObject({ status: 200, body: { status: 'cancelled' } });
  });
});

describe('the stream of a response', () => {
  test('goes on after a number on an edge that knows nothing of it', async () => {
    const run = await start();
    await run.write({ kind: 'reasoning', text: 'hm' }, 'a', 'b');
    const first = await follow();
    await waitFor(() => numbersIn(first).at(-1) === 31, { what: 'three tokens' });
    first.close();
    await run.write('c');
    await run.end();
    const other = await scene.world.addEdge();
    const rest = await follow(31, other);
    await rest.closed;
    expect(typesIn(rest)).toEqual([
      ...['output_text.delta', 'output_text.done', 'content_part.done', 'output_item.done', 'completed'],
    ]);
    expect(numbersIn(rest)).toEqual([39, 40, 41, 42, 43]);
    expect(rest.events[0]?.data).toContain('"delta":"c"');
    expect(lastOf(rest)).toMatchObject({ response: { output: [{}, { content: [{ text: 'abc' }] }] } });
  });

  test('has nothing left after its last number, and ends at once', async () => {
    const run = await start();
    await run.write('a');
    await run.end();
    const whole = await follow();
    await whole.closed;
    const rest = await follow(numbersIn(whole).at(-1));
    await rest.closed;
    expect(typesIn(rest)).toEqual([]);
  });

  test('is refused after a number that means nothing', async () => {
    const run = await start();
    await run.write('a');
    for (const after of ['x', '-2', '1.5', '999999'])
      expect(errorIn(await get(`${id}?stream=true&starting_after=${after}`))).toMatchObject({ status: 400 });
    await run.requeue();
    const second = await scene.worker.claim(keyOf(id, id), { newEpoch: true });
    await second.write('b', 'c');
    expect(errorIn(await get(`${id}?stream=true&starting_after=15`))).toMatchObject({ status: 409 });
    const again = await follow(1);
    await waitFor(() => numbersIn(again).at(-1) === 2 ** 27 + 23, { what: 'the second epoch' });
    again.close();
  });

  test('whose tokens have expired goes on only where nothing but the end is left', async () => {
    const run = await start();
    await run.write('a', 'b');
    await run.end();
    scene.world.hub.chunks.clear();
    scene.world.hub.log.length = 0;
    const other = await scene.world.addEdge();
    const late = await request(other, `/v1/responses/${id}?stream=true&starting_after=15`);
    expect(errorIn(late)).toMatchObject({ status: 404, code: 'not_found' });
    const rest = await follow(23, other);
    await rest.closed;
    expect(typesIn(rest)).toEqual(['output_text.done', 'content_part.done', 'output_item.done', 'completed']);
    const whole = await follow(undefined, other);
    await whole.closed;
    expect(numbersIn(whole)).toEqual([0, 1, 8, 9, 23, 24, 25, 26, 27]);
  });

  test('that is in the background detaches at a hang-up, any other one cancels', async () => {
    const run = await start();
    const first = await follow();
    await run.write('a');
    await waitFor(() => run.acks.at(-1)?.viewers === 1, { what: 'a viewer' });
    first.close();
    await waitFor(() => run.acks.at(-1)?.viewers === 0, { what: 'no viewer' });
    expect(run.cancels).toEqual([]);

    const opening = openStream(scene.target, '/v1/responses', {
      ...{ method: 'POST', body: { input: 'x', stream: true }, headers: { 'x-sluice-session': 's2' } },
    });
    const { sessions } = scene.world.bus;
    const generation = await waitFor(
      async () => (await sessions.items(keyOf('s2', id), 0)).items[0]?.item.id,
      {
        what: 'the generation',
      },
    );
    const second = await scene.worker.claim(keyOf('s2', generation));
    await second.serve();
    await second.write('a');
    const live = await opening;
    expect(live.headers['x-sluice-generation']).toBe(generation);
    live.close();
    await waitFor(() => second.cancels.length === 1, { what: 'a cancel' });
  });

  test('ends with an error that says where to go on when the edge goes', async () => {
    const run = await start();
    await run.write('a');
    const stream = await follow();
    await waitFor(() => numbersIn(stream).at(-1) === 15, { what: 'a token' });
    await scene.target.edge.drain(10);
    await stream.closed;
    expect(lastOf(stream)).toMatchObject({ type: 'error', code: 'unavailable', sequence_number: 15 });
  });
});

describe('previous_response_id', () => {
  test('goes on in the session of a response that is done, with its words and without its instructions', async () => {
    const run = await start({ ...background, instructions: 'Gone.' });
    expect(errorIn(await post({ input: 'x', previous_response_id: id }, { headers: {} }))).toMatchObject({
      ...{ status: 400, param: 'previous_response_id' },
    });
    await run.write('the answer', { kind: 'tool_call', text: '{}', tool: { index: 0, id: 'c1', name: 'f' } });
    await run.end({ reason: 'tool_calls' });
    const input = [{ type: 'function_call_output', call_id: 'c1', output: '7' }];
    const next = await post({ ...background, input, previous_response_id: id }, { headers: {} });
    const { id: second } = next.body as { id: string };
    const [session = '', generation = ''] = second.split('.');
    expect(session).toBe(id);
    expect((await get(second)).body).toMatchObject({ id: second, previous_response_id: id });
    expect((await scene.world.bus.sessions.prompt(keyOf(session, generation)))?.body.messages).toEqual([
      { role: 'user', content: 'hi' },
      {
        ...{ role: 'assistant', content: 'the answer' },
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: '7' },
    ]);
    const elsewhere = { headers: { 'x-sluice-session': 'other' } };
    expect(errorIn(await post({ input: 'x', previous_response_id: id }, elsewhere))).toMatchObject({
      status: 400,
    });
    expect(errorIn(await post({ input: 'x', previous_response_id: 'none' }))).toMatchObject({ status: 404 });
  });
});
