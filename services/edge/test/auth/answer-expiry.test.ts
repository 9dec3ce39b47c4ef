import { describe, expect, test } from '@jest/globals';
import { CLOSE_CODES, parseOrg, parseSessionId } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { keyOf } from '../support/asking.ts';
import { ChatSocket } from '../support/chat-socket.ts';
import type { FakeRun } from '../support/fake-worker.ts';
import { pathOf } from '../support/http.ts';
import { freshScene } from '../support/scene.ts';
import { said } from '../support/ui-chat.ts';
import { tokenOf } from '../support/world.ts';

const TTL_S = 120;
const LATER_MS = 300_000;
const scene = freshScene('manual');

type Way = { readonly path: string; readonly body: object };
const question = { role: 'user', content: 'Why?' };
const WAYS: Readonly<Record<string, Way>> = {
  'a chat completion': { path: '/v1/chat/completions', body: { messages: [question] } },
  'a streamed chat completion': {
    path: '/v1/chat/completions',
    body: { messages: [question], stream: true },
  },
  'a response': { path: '/v1/responses', body: { input: 'Why?' } },
  'a streamed response': { path: '/v1/responses', body: { input: 'Why?', stream: true } },
  'a chat of the AI SDK': { path: '/api/chat', body: { id: 's', messages: [said('Why?')] } },
};

/** Asks with a token that ends soon; the run of it, and what will have come. */
const ask = async ({ path, body }: Way): Promise<{ run: FakeRun; text: Promise<string> }> => {
  const headers = {
    authorization: `Bearer ${tokenOf({ ttlS: TTL_S })}`,
    'content-type': 'application/json',
    ...(path.startsWith('/v1/') ? { 'x-sluice-session': 's', 'x-sluice-generation': 'g' } : {}),
  };
  const { url } = scene.target.edge;
  const asked = { method: 'POST', headers, body: JSON.stringify(body) };
  const text = fetch(`${url}${path}`, asked).then((answer) => answer.text());
  const session = { org: parseOrg('acme'), session: parseSessionId('s') };
  const generation = await waitFor(
    async () => (await scene.world.bus.sessions.items(session, 0)).items[0]?.item.id,
    { what: 'the generation', pollMs: 1 },
  );
  const run = await scene.worker.claim(keyOf('s', generation));
  await run.serve();
  await run.write('Beca');
  return { run, text };
};

const expire = (): void => {
  scene.clock.advance(LATER_MS);
  scene.target.edge.tick();
};

describe.each(Object.entries(WAYS))('a token that ends during %s', (_, way) => {
  test('counts as it did when the answer began', async () => {
    const { run, text } = await ask(way);
    expire();
    await run.write('use.');
    await run.end({ reason: 'stop' });
    const answer = await text;
    expect(answer).toMatch(/Beca.*use\./s);
    expect(answer).not.toContain('expired');
  });

  test('ends it all the same when it is revoked', async () => {
    const { text } = await ask(way);
    expire();
    const now = scene.clock.now();
    const of = { org: parseOrg('acme'), of: 'user', id: 'ann' } as const;
    await scene.world.bus.revocations.put({ ...of, before: now, expiresAt: now + LATER_MS });
    let isOver = false;
    void text.then(() => (isOver = true));
    const look = (): boolean => {
      scene.clock.advance(500);
      scene.target.edge.tick();
      return isOver;
    };
    await waitFor(look, { what: 'the end of the answer', pollMs: 5 });
    expect(await text).toContain('the token was revoked');
  });
});

test.each(['a session', 'a generation'])(
  'the events of %s end with their token: whoever reads them comes back',
  async (of) => {
    const headers = { authorization: `Bearer ${tokenOf({ ttlS: TTL_S })}` };
    const { url } = scene.target.edge;
    const put = { method: 'PUT', headers: { ...headers, 'content-type': 'application/json' } };
    await fetch(`${url}${pathOf('s', 'g')}`, { ...put, body: '{"input":"Why?"}' });
    const path = of === 'a session' ? pathOf('s') : pathOf('s', 'g');
    const answer = await fetch(`${url}${path}/events`, { headers });
    expire();
    expect(await answer.text()).toContain('the token has expired');
  },
);

test('an answer over the AI SDK’s WebSocket is whole, and the next question needs a token that counts', async () => {
  const chat = await ChatSocket.open(scene.target, { token: tokenOf({ ttlS: TTL_S }) });
  const asked = chat.send([said('Why?')]);
  await chat.reply(asked, 'chunk');
  const [found] = (await scene.world.bus.sessions.items(keyOf('c1', 'x'), 0)).items;
  const run = await scene.worker.claim(keyOf('c1', found?.item.id ?? ''));
  await run.serve();
  await run.write('Because.');
  expire();
  const next = chat.ask('resume', { id: 'c2' });
  expect(await chat.reply(next, 'error')).toMatchObject({ code: 'unauthorized' });
  await run.end({ reason: 'stop' });
  await chat.reply(asked, 'end');
  expire();
  expect(await chat.closed).toBe(CLOSE_CODES.credential);
});
