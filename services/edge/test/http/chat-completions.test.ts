import { beforeEach, describe, expect, test } from '@jest/globals';
import type { End, GenerationKey } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import type { RawEventStream } from '@sluice/testkit';
import { keyOf, newId } from '../support/asking.ts';
import type { FakeRun } from '../support/fake-worker.ts';
import { openStream, pathOf, request } from '../support/http.ts';
import type { Answer, RequestOptions } from '../support/http.ts';
import { hostileIds } from '../support/hostile-values.ts';
import { freshScene } from '../support/scene.ts';
import { tokenOf } from '../support/world.ts';

const URL = '/v1/chat/completions';

const scene = freshScene();
let id: string;
beforeEach(() => {
  id = newId();
});

const named = (more: Record<string, string> = {}): Record<string, string> => ({
  'x-sluice-session': 's1',
  'x-sluice-generation': id,
  ...more,
});
const bodyOf = (more: object = {}): object => ({ messages: [{ role: 'user', content: 'hi' }], ...more });
const ask = (more: object = {}, options: RequestOptions = {}): Promise<Answer> =>
  request(scene.target, URL, { method: 'POST', body: bodyOf(more), headers: named(), ...options });
const stream = (headers = named(), more: object = {}): Promise<RawEventStream> =>
  openStream(scene.target, URL, { method: 'POST', body: bodyOf({ stream: true, ...more }), headers });
const claim = async (session = 's1', generation = id): Promise<FakeRun> => {
  const run = await scene.worker.claim(keyOf(session, generation));
  await run.serve();
  return run;
};
const errorIn = (answer: Answer): Record<string, unknown> & { retry: string | null } => ({
  status: answer.status,
  retry: answer.headers.get('x-should-retry'),
  ...(answer.body as { error: object }).error,
});
const lastData = ({ events }: RawEventStream): unknown => {
  const data = events.findLast((event) => event.data !== undefined)?.data ?? '';
  return data.startsWith('{') ? JSON.parse(data) : data;
};
/** Writes a token of every generation that waits for a worker, once so many were asked for. */
const beginAnswers = async (asked: number): Promise<void> => {
  const { prompts } = scene.world.hub;
  await waitFor(() => prompts.size >= asked, { what: 'a prompt' });
  for (const path of prompts.keys()) {
    const [org = '', session = '', generation = ''] = path.split('.');
    const key = { org, session, generation } as GenerationKey;
    const stored = await waitFor(() => scene.world.bus.sessions.item(key, key.generation), {
      what: 'its item',
    });
    if (stored.item.kind === 'generation' && stored.item.status === 'queued')
      await (await scene.worker.claim(key)).write('a');
  }
};
/** The generation of a session that was started without a name. */
const onlyIn = (session: string): Promise<string> =>
  waitFor(async () => (await scene.world.bus.sessions.items(keyOf(session, id), 0)).items[0]?.item.id, {
    what: `a generation in ${session}`,
  });

describe('a refusal', () => {
  test('has OpenAI’s shape and says whether to repeat the request', async () => {
    expect(errorIn(await ask({}, { as: undefined }))).toMatchObject({
      ...{ status: 401, code: 'invalid_api_key', type: 'invalid_request_error', retry: 'false' },
    });
    expect(errorIn(await ask({}, { as: { scope: 'read' } }))).toMatchObject({
      status: 403,
      code: 'forbidden',
    });
    expect(errorIn(await ask({}, { as: { scope: 'prompt' } }))).toMatchObject({ status: 403 });
    expect(errorIn(await ask({}, { as: { sessions: ['mine'] } }))).toMatchObject({
      status: 404,
      retry: 'false',
    });
    expect(errorIn(await ask({ n: 2 }))).toMatchObject({ status: 400, param: 'n', retry: 'false' });
    expect(errorIn(await ask({ messages: 1 }))).toMatchObject({ status: 400, param: 'messages' });
    expect(errorIn(await ask({}, { body: '{' }))).toMatchObject({ status: 400, param: null });
    expect(errorIn(await ask({ x: 'y'.repeat(17 * 1024 * 1024) }))).toMatchObject({
      status: 413,
      code: 'too_large',
    });
    expect(errorIn(await ask({ model: 'none' }))).toMatchObject({
      ...{ status: 404, code: 'model_not_found', param: 'model', retry: 'false' },
    });
    scene.target.recording.isDown = true;
    expect(errorIn(await ask())).toMatchObject({ status: 503, type: 'server_error', retry: 'true' });
  });

  test('is all that hostile requests get, at any of OpenAI’s addresses', async () => {
    for (const value of [...hostileIds, { a: 1 }, [[]], '__proto__']) {
      const bodies = [
        [URL, { messages: value }],
        [URL, { messages: [value] }],
        [URL, bodyOf({ stream_options: value, n: 2 })],
        [URL, value],
        ['/v1/responses', { input: [value] }],
        ['/v1/responses', { input: [{ type: 'message', role: 'user', content: [value] }] }],
        ['/v1/responses', { input: 'x', tools: [value] }],
        ['/v1/responses', { input: 'x', previous_response_id: 'none', metadata: { a: value } }],
      ] as const;
      for (const [path, body] of bodies) {
        const answer = await request(scene.target, path, {
          method: 'POST',
          body: JSON.stringify(body) ?? 'x',
        });
        expect([path, body, errorIn(answer)]).toMatchObject([path, body, { message: expect.any(String) }]);
        expect([400, 404]).toContain(answer.status);
      }
      const name = encodeURIComponent(typeof value === 'string' ? Buffer.from(value).toString() : 'a.b.c');
      const { status } = await request(scene.target, `/v1/responses/${name}?stream=true`);
      // 414 is the router's word for an id longer than any.
      expect([400, 404, 414]).toContain(status);
    }
    expect(scene.world.hub.prompts.size).toBe(0);
  }, 60_000);

  test('of a name that was used for something else is not worth repeating', async () => {
    const asking = ask();
    const run = await claim();
    await run.end();
    await asking;
    expect(errorIn(await ask({ temperature: 1 }))).toMatchObject({
      ...{ status: 409, code: 'conflict', retry: 'false' },
    });
  });

  test.each([
    [{ reason: 'error', error: { code: 'upstream_rejected', message: 'no' } }, 400, 'upstream_rejected'],
    [{ reason: 'error', error: { code: 'upstream_overloaded', message: 'no' } }, 429, 'upstream_overloaded'],
    [{ reason: 'error', error: { code: 'upstream_protocol', message: 'no' } }, 502, 'upstream_protocol'],
    [{ reason: 'error', error: { code: 'poisoned', message: 'no' } }, 500, 'poisoned'],
    [{ reason: 'cancelled' }, 409, 'cancelled'],
    [{ reason: 'abandoned' }, 409, 'abandoned'],
  ] as [End, number, string][])('tells of a run that brought no answer: %j', async (end, status, code) => {
    const asking = ask();
    const run = await claim();
    await run.write('half');
    await run.end(end);
    // Under the same name nothing else can come of it.
    expect(errorIn(await asking)).toMatchObject({ status, code, retry: 'false' });
    const other = request(scene.target, URL, {
      ...{ method: 'POST', body: bodyOf(), headers: { 'x-sluice-session': 's2' } },
    });
    const second = await claim('s2', await onlyIn('s2'));
    await second.end(end);
    const isPassing = status === 429 || status >= 500;
    expect(errorIn(await other)).toMatchObject({ status, code, retry: String(isPassing) });
  });
});

describe('a stream of a chat completion', () => {
  const UPSTREAM = {
    status: 429,
    type: 'requests',
    code: 'rate_limit_exceeded',
    param: 'messages',
    message: 'slow down',
    retryAfterMs: 6_500,
  };
  const failed: End = {
    reason: 'error',
    error: { code: 'upstream_overloaded', message: 'no', upstream: UPSTREAM },
  };

  test.each([true, false])(
    'that fails before the first token is a status, in the server’s words: stream %s',
    async (isStream) => {
      const asking = ask({ stream: isStream }, { headers: { 'x-sluice-session': 's1' } });
      const run = await claim('s1', await onlyIn('s1'));
      await run.end(failed);
      const answer = await asking;
      expect(errorIn(answer)).toEqual({
        ...{ status: 429, retry: 'true', type: 'requests', code: 'rate_limit_exceeded' },
        ...{ param: 'messages', message: 'slow down' },
      });
      expect(answer.headers.get('retry-after')).toBe('7');
      expect(answer.headers.get('x-sluice-session')).toBe('s1');
    },
  );

  test('that fails later says so in an event', async () => {
    const opening = stream();
    const run = await claim();
    await run.write('half');
    const opened = await opening;
    await run.end(failed);
    await opened.closed;
    expect(lastData(opened)).toMatchObject({ error: { code: 'rate_limit_exceeded', message: 'slow down' } });
  });

  test.each([
    [401, 502],
    [403, 502],
    [400, 400],
    [404, 404],
    [503, 503],
    [302, 502],
  ])('an engine’s server that answered %i is a %i', async (status, told) => {
    const asking = ask({ stream: true });
    const run = await claim();
    await run.end({
      reason: 'error',
      error: { code: 'upstream_protocol', message: 'no', upstream: { status } },
    });
    expect(errorIn(await asking)).toMatchObject({ status: told, code: 'upstream_protocol' });
  });
});

describe('a stream that waits for its first token', () => {
  const slow = freshScene('manual');

  test('begins after 10 s all the same, and has its errors in events from then on', async () => {
    const opening = openStream(slow.target, URL, {
      method: 'POST',
      body: bodyOf({ stream: true }),
      headers: named(),
    });
    const run = await slow.worker.claim(keyOf('s1', id));
    let isOpen = false;
    void opening.then(() => (isOpen = true));
    // The edge looks at its streams once a second of the real time.
    await waitFor(
      () => {
        slow.clock.advance(1_000);
        return isOpen;
      },
      { what: 'the head of the response', pollMs: 50 },
    );
    const opened = await opening;
    await run.end({ reason: 'error', error: { code: 'upstream_overloaded', message: 'no' } });
    await opened.closed;
    expect(lastData(opened)).toMatchObject({ error: { code: 'upstream_overloaded' } });
  });

  test('is refused by status when the edge goes meanwhile', async () => {
    const asking = request(slow.target, URL, {
      method: 'POST',
      body: bodyOf({ stream: true }),
      headers: named(),
    });
    await slow.worker.claim(keyOf('s1', id));
    await slow.target.edge.drain(10);
    expect(errorIn(await asking)).toMatchObject({ status: 503, code: 'unavailable', retry: 'true' });
  });
});

describe('a chat completion', () => {
  test('is a generation of the session that is named, for everybody there to see', async () => {
    const viewer = await scene.target.open({ user: 'bob' });
    viewer.send({ type: 'subscribe', session: 's1' });
    const asking = ask({ model: 'm1', temperature: 1, stop: ['x'] });
    const run = await claim();
    await run.write('the ', 'answer');
    await run.end({ reason: 'stop', usage: { prompt_tokens: 1, completion_tokens: 2 } });
    const { headers, body } = await asking;
    expect(body).toEqual({
      ...{ id, object: 'chat.completion', created: expect.any(Number), model: 'm1' },
      choices: [
        {
          ...{ index: 0, logprobs: null, finish_reason: 'stop' },
          message: { role: 'assistant', content: 'the answer', refusal: null },
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    });
    expect([headers.get('x-sluice-session'), headers.get('x-sluice-generation')]).toEqual(['s1', id]);
    await waitFor(() => viewer.frames('end').length === 1, { what: 'the end on the WebSocket' });
    expect((await scene.world.bus.sessions.prompt(keyOf('s1', id)))?.body).toMatchObject({
      ...{ model: 'm1', params: { temperature: 1, stop: ['x'] }, onAbandon: 'cancel' },
    });
  });

  test('has the same name for the same key of the same user only', async () => {
    const nameFor = async (as: object, key: string, asked = 1): Promise<string | undefined> => {
      const headers = { 'idempotency-key': key };
      const options = { method: 'POST', body: bodyOf({ stream: true }), headers, as };
      const opening = openStream(scene.target, URL, options);
      await beginAnswers(asked);
      const opened = await opening;
      opened.close();
      return opened.headers['x-sluice-generation'] as string | undefined;
    };
    const name = await nameFor({}, 'key');
    expect(name).toMatch(/^chatcmpl_[0-9a-f]{32}$/);
    expect(await nameFor({}, 'key')).toBe(name);
    for (const [as, key, asked] of [
      [{}, 'other', 2],
      [{ user: 'bob' }, 'key', 3],
      [{ org: 'globex' }, 'key', 4],
    ] as const)
      expect(await nameFor(as, key, asked)).not.toBe(name);
  });

  test('that nobody can find again is cancelled by a hang-up, streamed or not', async () => {
    const opening = stream({ 'x-sluice-session': 's1' });
    const run = await claim('s1', await onlyIn('s1'));
    await run.write('a');
    (await opening).close();
    await waitFor(() => run.cancels.length === 1, { what: 'a cancel' });
    expect(run.cancels).toEqual(['ann']);

    const leaving = new AbortController();
    const waiting = fetch(`${scene.target.edge.url}${URL}`, {
      ...{ method: 'POST', body: JSON.stringify(bodyOf()), signal: leaving.signal },
      headers: {
        ...{ authorization: `Bearer ${tokenOf()}`, 'content-type': 'application/json' },
        'x-sluice-session': 's2',
      },
    });
    const second = await claim('s2', await onlyIn('s2'));
    leaving.abort();
    await expect(waiting).rejects.toThrow();
    await waitFor(() => second.cancels.length === 1, { what: 'a cancel' });
  });

  test('that has a name is left running by a hang-up, and found again', async () => {
    const opening = stream();
    const run = await claim();
    await run.write('a', 'b');
    const first = await opening;
    await waitFor(() => run.acks.at(-1)?.viewers === 1, { what: 'a viewer' });
    first.close();
    await waitFor(() => run.acks.at(-1)?.viewers === 0, { what: 'no viewer' });
    expect(run.cancels).toEqual([]);
    const again = ask();
    await waitFor(() => run.acks.at(-1)?.viewers === 1, { what: 'a viewer again' });
    await run.write('c');
    await run.end();
    expect((await again).body).toMatchObject({ choices: [{ message: { content: 'abc' } }] });
    const replayed = await stream();
    await replayed.closed;
    expect(replayed.lastEventId).toBe('0-3-end');
    expect(lastData(replayed)).toBe('[DONE]');
  });

  test('goes on after the id of its last event as the generation’s own events', async () => {
    const opening = stream();
    const run = await claim();
    await run.write('a', 'b');
    const first = await opening;
    await waitFor(() => first.lastEventId === '0-2', { what: 'two tokens' });
    first.close();
    await run.write('c');
    await run.end();
    const lastEventId = first.lastEventId ?? '';
    const rest = await openStream(scene.target, `${pathOf('s1', id)}/events`, { lastEventId });
    await rest.closed;
    expect(rest.frames('delta')).toMatchObject([{ from: 2, text: 'c' }]);
  });

  test('breaks off with an error where the text starts again, and when the edge goes', async () => {
    const opening = stream();
    const run = await claim();
    await run.write('old');
    const first = await opening;
    await waitFor(() => first.lastEventId === '0-1', { what: 'a token' });
    await run.requeue();
    const second = await scene.worker.claim(keyOf('s1', id), { newEpoch: true });
    await second.write('new');
    await first.closed;
    expect(lastData(first)).toMatchObject({ error: { code: 'restarted' } });
    const other = await stream();
    const waiting = ask();
    await waitFor(() => other.lastEventId === '1-1', { what: 'the new text' });
    await scene.target.edge.drain(10);
    await other.closed;
    expect(lastData(other)).toMatchObject({ error: { code: 'unavailable' } });
    expect(errorIn(await waiting)).toMatchObject({ status: 503, retry: 'true' });
  });
});
