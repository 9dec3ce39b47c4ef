import { beforeEach, describe, expect, test } from '@jest/globals';
import type { End } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { keyOf, newId } from '../support/asking.ts';
import type { FakeRun } from '../support/fake-worker.ts';
import { request } from '../support/http.ts';
import type { Answer } from '../support/http.ts';
import { freshScene } from '../support/scene.ts';
import { chunksIn, postChat, said } from '../support/ui-chat.ts';

const scene = freshScene();
let session: string;
let name: string;
beforeEach(() => {
  session = newId();
  name = newId();
});

/** Claims the next generation of the session, whatever its id is. */
const claim = async (): Promise<FakeRun> => {
  const queued = await waitFor(
    async () =>
      (await scene.world.bus.sessions.items(keyOf(session, 'x'), 0)).items.find(
        ({ item }) => item.kind === 'generation' && item.status === 'queued',
      ),
    { what: 'a queued generation', pollMs: 1 },
  );
  const run = await scene.worker.claim(keyOf(session, queued.item.id));
  await run.serve();
  return run;
};
const runs = async (): Promise<number> =>
  (await scene.world.bus.sessions.items(keyOf(session, 'x'), 0)).items.length;

type Door = (named: Readonly<Record<string, string>>) => Promise<Answer>;
const asking =
  (path: string, body: object): Door =>
  (named) =>
    request(scene.target, path, {
      ...{ method: 'POST', body, headers: { 'x-sluice-session': session, ...named } },
    });
const messages = [{ role: 'user', content: 'hi' }];
const DOORS: Readonly<Record<string, Door>> = {
  'a chat completion': asking('/v1/chat/completions', { messages }),
  'a streamed chat completion': asking('/v1/chat/completions', { messages, stream: true }),
  'a response': asking('/v1/responses', { input: 'hi' }),
  'a streamed response': asking('/v1/responses', { input: 'hi', stream: true }),
};
const NAMES = ['Idempotency-Key', 'x-sluice-generation'] as const;

const failed = (code: string, status?: number): End => ({
  reason: 'error',
  error: { code, message: 'no', ...(status === undefined ? {} : { upstream: { status } }) },
});
const PASSING: readonly (readonly [string, End, number])[] = [
  ['429', failed('upstream_overloaded', 429), 429],
  ['503', failed('upstream_unavailable', 503), 503],
  ['no connection', failed('upstream_unavailable'), 502],
];

describe.each(Object.entries(DOORS))('%s', (_, ask) => {
  test.each(NAMES)('by %s runs again where it failed in passing before its first token', async (header) => {
    const named = { [header]: name };
    for (const [, end, status] of PASSING) {
      const answering = ask(named);
      await (await claim()).end(end);
      const answer = await answering;
      expect([answer.status, answer.headers.get('x-should-retry')]).toEqual([status, 'true']);
    }
    const answering = ask(named);
    const run = await claim();
    await run.write('the answer');
    await run.end();
    const answer = await answering;
    expect([answer.status, await runs()]).toEqual([200, PASSING.length + 1]);
    expect(answer.headers.get('x-sluice-generation')).toBe(run.key.generation);
    expect((await ask(named)).text).toContain('the answer');
    expect(await runs()).toBe(PASSING.length + 1);
  });

  test('by its name finds a refusal, a cancel and an end after tokens again', async () => {
    const ends: readonly (readonly [End, string?])[] = [
      [failed('upstream_rejected', 400)],
      [failed('poisoned')],
      [{ reason: 'cancelled' }],
      [failed('upstream_unavailable', 503), 'half of '],
    ];
    for (const [at, [end, text]] of ends.entries()) {
      const named = { 'Idempotency-Key': `${name}-${at}` };
      const answering = ask(named);
      const run = await claim();
      if (text !== undefined) await run.write(text);
      await run.end(end);
      const first = await answering;
      const again = await ask(named);
      expect([again.status, await runs()]).toEqual([first.status, at + 1]);
      if (first.status >= 500) expect(first.headers.get('x-should-retry')).toBe('false');
    }
  });
});

test('a chat of the AI SDK runs again where it failed in passing before its first token', async () => {
  session = 'c1';
  const question = said('Why?');
  const first = await postChat(scene.target, [question]);
  await (await claim()).end(failed('upstream_overloaded', 429));
  await first.closed;
  expect(JSON.stringify(chunksIn(first))).toContain('upstream_overloaded');
  const second = await postChat(scene.target, [question]);
  const run = await claim();
  await run.write('Because.');
  await run.end();
  await second.closed;
  expect(chunksIn(second)[0]).toMatchObject({ type: 'start', messageId: run.key.generation });
  expect(JSON.stringify(chunksIn(second))).toContain('Because.');
  const third = await postChat(scene.target, [question]);
  await third.closed;
  expect(chunksIn(third)[0]).toMatchObject({ messageId: run.key.generation });
});

test('two that repeat at the same time come to the same run', async () => {
  const ask = DOORS['a chat completion'] as Door;
  const named = { 'Idempotency-Key': name };
  const answering = ask(named);
  await (await claim()).end(failed('upstream_overloaded', 429));
  await answering;
  const both = [ask(named), ask(named)];
  const run = await claim();
  await run.write('one');
  await run.end();
  const [one, other] = await Promise.all(both);
  expect(one?.text).toBe(other?.text);
  expect(await runs()).toBe(2);
});
