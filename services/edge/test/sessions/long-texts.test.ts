/** Texts that are too large for their items: whole from every view, or told as lost. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { uiMessageIdOf } from '@sluice/core';
import { waitFor } from '@sluice/testkit';
import { askOk, keyOf, newId, settled, textOf } from '../support/asking.ts';
import { openStream, pathOf, request } from '../support/http.ts';
import type { Answer } from '../support/http.ts';
import { freshScene } from '../support/scene.ts';
import { chunksIn, textIn } from '../support/ui-chat.ts';
import type { TestEdge } from '../support/world.ts';

const scene = freshScene();
let id: string;
beforeEach(() => {
  id = newId();
});

const KIB = 1024;
/** Cut as a worker cuts it: no token is larger than 16 KiB. */
const tokensOf = (text: string): string[] =>
  Array.from({ length: Math.ceil(text.length / 5_000) }, (_, n) => text.slice(n * 5_000, (n + 1) * 5_000));

const finished = async (text: string, session = 's1', generation = id): Promise<void> => {
  const run = await scene.worker.claim(keyOf(session, generation));
  await run.write(...tokensOf(text));
  await run.end();
};
const put = (body: object = { input: 'hello' }): Promise<Answer> =>
  request(scene.target, pathOf('s1', id), { method: 'PUT', body });
const expire = (): void => {
  scene.world.hub.chunks.clear();
  scene.world.hub.log.length = 0;
};
/** What is stored in bodies is lost, all of it. */
const lose = (): void => scene.world.hub.bodies.clear();
const get = (target: TestEdge, path = pathOf('s1', id)): Promise<Answer> => request(target, path);
const fieldOf = (answer: Answer, name: string): unknown => (answer.body as Record<string, unknown>)[name];
const named = (): object => ({ positions: { [id]: { epoch: 0, seq: 0 } } });

describe.each([
  ['512 KiB of newlines', '\n'.repeat(512 * KIB)],
  ['200,000 NULs', '\u0000'.repeat(200_000)],
  ['quotes', '"'.repeat(300 * KIB)],
  ['4 MiB', 'é😀'.repeat(700 * KIB)],
])('an answer of %s', (_name, text) => {
  test('is whole for whoever comes while its log is there, in frames that are not too large', async () => {
    await put();
    await finished(text);
    const late = await scene.target.open();
    await askOk(late, { type: 'subscribe', session: 's1', observe: true, ...named() });
    await waitFor(() => late.frames('end')[0], { what: 'the end' });
    expect(textOf(late, id) === text).toBe(true);
    const sizes = late.frames('delta').map((frame) => Buffer.byteLength(JSON.stringify(frame)));
    expect(Math.max(...sizes)).toBeLessThan(400 * KIB);
  });

  test('is whole from every view when its log has expired', async () => {
    await put();
    await finished(text);
    expire();
    const other = await scene.world.addEdge();
    const late = await other.open();
    await askOk(late, { type: 'subscribe', session: 's1', observe: true, ...named() });
    await waitFor(() => late.frames('end')[0], { what: 'the end' });
    expect(textOf(late, id) === text).toBe(true);
    const sizes = late.frames('delta').map((frame) => Buffer.byteLength(JSON.stringify(frame)));
    expect(Math.max(...sizes)).toBeLessThan(400 * KIB);
    expect(fieldOf(await get(other), 'text') === text).toBe(true);
    expect(fieldOf(await get(other, `${pathOf('s1', id)}?wait=5`), 'text') === text).toBe(true);
    expect(fieldOf(await put(), 'text') === text).toBe(true);
    const events = await openStream(other, `${pathOf('s1', id)}/events`);
    await events.closed;
    expect(events.frames('delta').reduce((all, delta) => all + delta.text, '') === text).toBe(true);
    const chat = await openStream(other, `/api/chat/s1/stream?message=${uiMessageIdOf(id)}`);
    await chat.closed;
    expect(textIn(chunksIn(chat)) === text).toBe(true);
  });

  test('is whole as a chat completion and as a response', async () => {
    const headers = { 'x-sluice-session': 's1', 'x-sluice-generation': id };
    const body = { messages: [{ role: 'user', content: 'hi' }] };
    const asking = request(scene.target, '/v1/chat/completions', { method: 'POST', body, headers });
    await finished(text);
    const { choices } = (await asking).body as { choices: { message: { content: string } }[] };
    expect(choices[0]?.message.content === text).toBe(true);
    const response = newId();
    const started = await request(scene.target, '/v1/responses', {
      ...{ method: 'POST', body: { input: 'hi', background: true } },
      headers: { 'x-sluice-session': 's1', 'x-sluice-generation': response },
    });
    await finished(text, 's1', response);
    const { output } = (await get(scene.target, `/v1/responses/${String(fieldOf(started, 'id'))}`)).body as {
      output: { content: { text: string }[] }[];
    };
    expect(output[0]?.content[0]?.text === text).toBe(true);
  });
});

describe('a list', () => {
  test('of long texts names what is apart, and no body is read for it', async () => {
    await put({ input: 'q'.repeat(100 * KIB) });
    await finished('a'.repeat(100 * KIB));
    const author = await scene.target.open();
    const line = { type: 'message', session: 's1', message: 'line', text: 'l'.repeat(100 * KIB), data: [1] };
    await askOk(author, line);
    expire();
    const other = await scene.world.addEdge();
    const items = fieldOf(await get(other, pathOf('s1')), 'items');
    const bodies = (part: string) => ({ [part]: { chunks: 1, bytes: expect.any(Number) } });
    expect(items).toMatchObject([
      {
        ...{ input: 'q'.repeat(KIB), preview: 'a'.repeat(KIB), status: 'done' },
        bodies: { ...bodies('input'), ...bodies('answer') },
      },
      { text: 'l'.repeat(KIB), bodies: bodies('message') },
    ]);
    const viewer = await other.open();
    await askOk(viewer, { type: 'subscribe', session: 's1' });
    await settled(viewer);
    expect(viewer.frames('subscribed')[0]?.items).toEqual(items);
    expect(other.recording.operations).not.toContain('sessions.whole');
    expect(await get(other)).toMatchObject({ body: { input: 'q'.repeat(100 * KIB) } });
  });
});

describe('a text that the store has lost', () => {
  test('is told as such, and nothing of it is served', async () => {
    await put();
    await finished('a'.repeat(100 * KIB));
    expire();
    lose();
    const other = await scene.world.addEdge();
    expect(await get(other)).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } });
    const viewer = await other.open();
    await askOk(viewer, { type: 'subscribe', session: 's1', ...named() });
    const error = await waitFor(() => viewer.frames('error')[0], { what: 'an error' });
    expect(error).toMatchObject({
      ...{ code: 'not_found', generation: id, retryable: false },
      message: 'the text of this generation cannot be read any more',
    });
    expect(viewer.frames('delta')).toEqual([]);
    const events = await openStream(other, `${pathOf('s1', id)}/events`);
    await events.closed;
    expect(events.frames('delta')).toEqual([]);
    expect(events.events.at(-1)).toMatchObject({ event: 'error' });
    expect(other.edge.tally.foreign.get('body')).toBeGreaterThan(0);
  });

  test('has its end for whoever had all of it', async () => {
    await put();
    await finished('a'.repeat(100 * KIB));
    const [{ seq }] = fieldOf(await get(scene.target, pathOf('s1')), 'items') as { seq: number }[] as [
      { seq: number },
    ];
    expire();
    lose();
    const other = await scene.world.addEdge();
    const viewer = await other.open();
    await askOk(viewer, { type: 'subscribe', session: 's1', positions: { [id]: { epoch: 0, seq } } });
    expect(await waitFor(() => viewer.frames('end')[0], { what: 'the end' })).toMatchObject({ seq });
    expect(viewer.frames('error')).toEqual([]);
  });
});

test('a long chat line that is repeated is the same one', async () => {
  const client = await scene.target.open();
  const line = {
    type: 'message',
    session: 's1',
    message: 'line',
    text: 'l'.repeat(100 * KIB),
    data: { a: 1 },
  };
  await askOk(client, line);
  await askOk(client, line);
  await expect(askOk(client, { ...line, text: `${line.text}!` })).rejects.toThrow('conflict');
});
