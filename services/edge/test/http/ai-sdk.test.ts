import { describe, expect, test } from '@jest/globals';
import type { PromptBody } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { keyOf } from '../support/asking.ts';
import type { FakeRun } from '../support/fake-worker.ts';
import { codeIn, openStream, request } from '../support/http.ts';
import { chunksIn, messageIn, postChat, said, untilText } from '../support/ui-chat.ts';
import { freshScene } from '../support/scene.ts';

const scene = freshScene();

type Stream = Awaited<ReturnType<typeof postChat>>;
const generationOf = async (stream: Stream): Promise<string> => {
  await waitFor(() => chunksIn(stream)[0], { what: 'the start', pollMs: 1 });
  return messageIn(chunksIn(stream));
};
const claimed = async (stream: Stream): Promise<FakeRun> => {
  const run = await scene.worker.claim(keyOf('c1', await generationOf(stream)));
  await run.serve();
  return run;
};
const promptOf = async (generation: string): Promise<PromptBody | undefined> =>
  (await scene.world.bus.sessions.prompt(keyOf('c1', generation)))?.body;
const resume = (more = ''): Promise<Stream> => openStream(scene.target, `/api/chat/c1/stream${more}`);
const has = (stream: Stream, text: string): Promise<unknown> => untilText(() => chunksIn(stream), text);

describe('the HTTP chat of the AI SDK', () => {
  test('answers with one message, from its start to its finish', async () => {
    const question = said('Why?');
    const stream = await postChat(scene.target, [question], { model: 'm1', params: { seed: 7 } });
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'x-vercel-ai-ui-message-stream': 'v1',
    });
    const run = await claimed(stream);
    await run.write({ kind: 'reasoning', text: 'hm' }, 'Beca', 'use.');
    await run.end({ reason: 'stop' });
    await stream.closed;
    const types = chunksIn(stream).map(({ type }) => type);
    expect([types.slice(0, 6), types.slice(-3)]).toEqual([
      ['start', 'start-step', 'reasoning-start', 'reasoning-delta', 'reasoning-end', 'text-start'],
      ['text-end', 'finish-step', 'finish'],
    ]);
    await has(stream, 'Because.');
    expect(stream.events.at(-1)?.data).toBe('[DONE]');
    const body = await promptOf(await generationOf(stream));
    expect(body).toEqual({
      model: 'm1',
      params: { seed: 7 },
      messages: [{ role: 'user', content: 'Why?' }],
    });
  });

  test('gives the same answer to the same message, and another one to a regeneration', async () => {
    const question = said('Why?');
    const first = await postChat(scene.target, [question]);
    const run = await claimed(first);
    await run.write('Because.');
    await run.end({ reason: 'stop' });
    await first.closed;
    const again = await postChat(scene.target, [question]);
    await again.closed;
    expect(chunksIn(again).filter(({ type }) => type !== 'text-delta')).toEqual(
      chunksIn(first).filter(({ type }) => type !== 'text-delta'),
    );
    await has(again, 'Because.');
    const other = await postChat(scene.target, [question], { trigger: 'regenerate-message' });
    expect(await generationOf(other)).not.toBe(await generationOf(first));
    other.close();
  });

  test('is resumed from its start by whoever comes, and goes on when a tab has gone', async () => {
    const tab = await postChat(scene.target, [said('Why?')]);
    const run = await claimed(tab);
    await run.write('Be', 'ca');
    await has(tab, 'Beca');
    const second = await resume();
    await has(second, 'Beca');
    expect(messageIn(chunksIn(second))).toBe(messageIn(chunksIn(tab)));
    tab.close();
    await run.write('use.');
    await has(second, 'Because.');
    expect(run.cancels).toEqual([]);
    await run.end({ reason: 'stop' });
    await second.closed;
  });

  test('has nothing to resume when nothing runs, but for a message that is named', async () => {
    expect((await resume()).status).toBe(204);
    const stream = await postChat(scene.target, [said('Why?')]);
    const run = await claimed(stream);
    await run.write('Because.');
    await run.end({ reason: 'stop' });
    await stream.closed;
    const message = await generationOf(stream);
    await waitFor(async () => (await resume()).status === 204, { what: 'the item to be done', pollMs: 5 });
    const rest = await resume(`?message=${message}`);
    await rest.closed;
    await has(rest, 'Because.');
    expect((await resume('?message=none')).status).toBe(204);
  });

  test('has nothing to resume where the answer ends while its chat is listed, page by page', async () => {
    const tab = await postChat(scene.target, [said('Why?')]);
    const run = await claimed(tab);
    await run.write('Because.');
    const line = { kind: 'message', user: 'ann', createdAt: 1, text: 'x' } as const;
    for (let n = 0; n < 120; n += 1)
      await scene.world.bus.sessions.createItem(run.key, { id: `line-${n}`, ...line });
    const { sessions } = scene.target.recording.bus;
    const { items } = sessions;
    const ending: typeof items = async (key, since) => {
      const page = await items(key, since);
      Object.assign(sessions, { items });
      await run.end({ reason: 'stop' });
      return page;
    };
    await has(tab, 'Because.');
    Object.assign(sessions, { items: ending });
    expect((await resume()).status).toBe(204);
    await tab.closed;
  });

  test('stops the worker when it is told to stop', async () => {
    const stop = (): Promise<{ status: number }> =>
      request(scene.target, '/api/chat/c1/stop', { method: 'POST' });
    expect(await stop()).toMatchObject({ status: 204 });
    const stream = await postChat(scene.target, [said('Why?')]);
    const run = await claimed(stream);
    await run.write('Be');
    expect(await stop()).toMatchObject({ status: 202 });
    expect(run.cancels).toEqual(['ann']);
    await run.end({ reason: 'cancelled' });
    await stream.closed;
    expect(chunksIn(stream).at(-1)).toMatchObject({ type: 'abort' });
  });

  test('takes the result of a tool as a later step of the same message', async () => {
    const question = said('Wet?');
    const first = await postChat(scene.target, [question]);
    const run = await claimed(first);
    await run.write({ kind: 'tool_call', text: '{}', tool: { index: 0, id: 't1', name: 'weather' } });
    await run.end({ reason: 'tool_calls' });
    await first.closed;
    const id = await generationOf(first);
    const part = {
      type: 'tool-weather',
      toolCallId: 't1',
      state: 'output-available',
      input: {},
      output: 'wet',
    };
    const second = await postChat(scene.target, [question, { id, role: 'assistant', parts: [part] }]);
    expect(await generationOf(second)).toBe(id);
    const items = await scene.world.bus.sessions.items(keyOf('c1', id), 0);
    const later = items.items.find(({ item }) => item.id.startsWith(`${id}--`))?.item.id ?? '';
    expect((await promptOf(later))?.messages?.at(-1)).toMatchObject({ role: 'tool', content: 'wet' });
    const next = await scene.worker.claim(keyOf('c1', later));
    await next.write('Yes.');
    const tab = await resume();
    await has(tab, 'Yes.');
    expect(messageIn(chunksIn(tab))).toBe(id);
    for (const stream of [tab, second]) stream.close();
  });

  test('says that a run failed, and that the edge restarts', async () => {
    const failed = await postChat(scene.target, [said('Why?')]);
    const run = await claimed(failed);
    await run.end({ reason: 'error', error: { code: 'upstream_rejected', message: 'too long' } });
    await failed.closed;
    expect(chunksIn(failed).at(-1)).toEqual({ type: 'error', errorText: 'too long' });
    const cut = await postChat(scene.target, [said('And now?')]);
    await generationOf(cut);
    await scene.target.edge.close();
    await cut.closed;
    expect(chunksIn(cut).at(-1)).toEqual({ type: 'error', errorText: 'the server restarts' });
  });

  test('refuses what it does not understand, and chats out of reach', async () => {
    const post = (body: object): ReturnType<typeof request> =>
      request(scene.target, '/api/chat', { method: 'POST', body });
    const part = { type: 'file', mediaType: 'application/pdf', url: 'https://example.com/a.pdf' };
    for (const body of [
      {},
      { id: 'a b', messages: [said('x')] },
      { id: 'c1', messages: [] },
      { id: 'c1', messages: [{ ...said('x'), role: 'robot' }] },
      { id: 'c1', messages: [{ ...said('x'), parts: [part] }] },
      { id: 'c1', messages: [said('x')], params: { max_tokens: 'many' } },
    ]) {
      const answer = await post(body);
      expect([answer.status, codeIn(answer)]).toEqual([400, 'bad_frame']);
    }
    const out = { as: { sessions: ['mine-*'] }, method: 'POST', body: { id: 'c1', messages: [said('x')] } };
    expect(await request(scene.target, '/api/chat', out)).toMatchObject({ status: 404 });
    expect(await request(scene.target, '/api/chat/c1/stream', { as: { org: 'other' } })).toMatchObject({
      status: 204,
    });
    expect(await request(scene.target, '/api/chat/c1/stream', { as: undefined })).toMatchObject({
      status: 401,
    });
    expect(await request(scene.target, '/api/chat/c1/stop', { ...out, body: undefined })).toMatchObject({
      status: 404,
    });
  });
});
