import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { hubContent } from '@sluice/bus';
import type { GenerationKey } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { askOk, codeOf, keyOf, newId } from '../support/asking.ts';
import type { FakeRun, FakeWorker } from '../support/fake-worker.ts';
import { codeIn, openStream, pathOf, request } from '../support/http.ts';
import { createWorld } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

const SECRET = 'the-secret';

let world: World;
let target: TestEdge;
let other: TestEdge;
let worker: FakeWorker;
let ann: RawClient;
let key: GenerationKey;
let run: FakeRun;
beforeEach(async () => {
  world = createWorld();
  target = await world.addEdge();
  other = await world.addEdge();
  worker = await world.addWorker();
  ann = await target.open();
  key = keyOf('s1', newId());
  await askOk(ann, { type: 'subscribe', session: 's1' });
  await askOk(ann, { type: 'message', session: 's1', message: 'm1', text: SECRET });
  await askOk(ann, { type: 'prompt', session: 's1', generation: key.generation, input: SECRET });
  run = await worker.claim(key);
  await run.serve();
  await run.write(SECRET);
  await waitFor(() => world.bus.cards.read(key), { what: 'the card' });
});
afterEach(() => world.close());

const removal = (path: string, as = {}) => request(target, path, { method: 'DELETE', as });
const itemPath = (id: string): string => `${pathOf('s1')}/items/${id}`;
const goneFor = (client: RawClient): Promise<unknown> =>
  waitFor(() => client.frames('error').find(({ code }) => code === 'session_deleted'), {
    what: 'word that the session is deleted',
  });

describe('a session that is deleted', () => {
  test('has its run stopped, is erased, and its late worker is fenced', async () => {
    expect((await removal(pathOf('s1'))).status).toBe(204);
    expect(run.cancels).toHaveLength(1);
    expect(hubContent(world.hub).includes(SECRET)).toBe(false);
    expect(hubContent(world.hub).includes('"ann"')).toBe(false);
    expect(await run.tryToWrite('late')).toBe('wrong_sequence');
    expect((await removal(pathOf('s1'))).status).toBe(204);
  });

  test('is told once to each viewer, on every edge and transport, and ends streams', async () => {
    const viewers = [ann, await other.open({ user: 'bob' }), await target.openHttp({ user: 'cat' })];
    for (const viewer of viewers.slice(1)) await askOk(viewer, { type: 'subscribe', session: 's1' });
    const streams = await Promise.all(
      [`${pathOf('s1')}/events`, `${pathOf('s1', key.generation)}/events`].map((path) =>
        openStream(other, path),
      ),
    );
    const wait = request(other, `${pathOf('s1', key.generation)}?wait=30`);
    await waitFor(() => other.edge.tally.connections.size >= 0, { what: 'the wait' });
    expect((await removal(pathOf('s1'))).status).toBe(204);
    for (const viewer of viewers) {
      expect(await goneFor(viewer)).toMatchObject({ session: 's1', retryable: false });
      await askOk(viewer, { type: 'ping' });
      expect(viewer.frames('error')).toHaveLength(1);
    }
    for (const stream of streams) {
      await stream.closed;
      expect(stream.events.at(-1)?.event).toBe('error');
      expect(stream.events.at(-1)?.data).toContain('"session_deleted"');
    }
    expect(codeIn(await wait)).toBe('not_found');
  });

  test('refuses whoever comes later by any door, until its tombstone expires', async () => {
    const brief = await world.addEdge({ tombstoneMs: 1_000 });
    await request(brief, pathOf('s1'), { method: 'DELETE' });
    const late = { type: 'prompt', session: 's1', generation: newId(), input: 'x' };
    const again = { type: 'prompt', session: 's1', generation: key.generation, input: SECRET };
    for (const frame of [{ type: 'subscribe', session: 's1' }, late, again])
      expect(await codeOf(ann, frame)).toBe('session_deleted');
    expect(await codeOf(ann, { type: 'message', session: 's1', message: 'm2', text: 'x' })).toBe(
      'session_deleted',
    );
    const chat = { id: 's1', messages: [{ id: 'u1', role: 'user', parts: [{ type: 'text', text: 'x' }] }] };
    const answers = await Promise.all([
      request(target, pathOf('s1')),
      request(target, `${pathOf('s1')}/events`),
      request(target, pathOf('s1', newId()), { method: 'PUT', body: { input: 'x' } }),
      request(target, pathOf('s1'), { method: 'PATCH', body: { title: 'x' } }),
    ]);
    for (const answer of answers) expect([answer.status, codeIn(answer)]).toEqual([404, 'session_deleted']);
    expect((await request(target, pathOf('s1', key.generation))).status).toBe(404);
    expect((await request(target, `/v1/responses/s1.${key.generation}`)).status).toBe(404);
    expect((await request(target, '/api/chat', { method: 'POST', body: chat })).status).toBe(404);
    const isFree = async (): Promise<boolean> =>
      (await codeOf(ann, { type: 'subscribe', session: 's1' })) === 'ok';
    await waitFor(isFree, { what: 'a free id', timeoutMs: 10_000 });
    expect(await codeOf(ann, { ...late, generation: newId() })).toBe('ok');
    expect(ann.frames('subscribed').at(-1)?.items).toEqual([]);
  });

  test('may be one of several on a stream, which goes on', async () => {
    const stream = await openStream(target, '/v1/events?sessions=s1,s2');
    await removal(pathOf('s1'));
    await waitFor(() => stream.events.some(({ event }) => event === 'error'), { what: 'the error' });
    await askOk(ann, { type: 'message', session: 's2', message: 'm2', text: 'there' });
    await waitFor(() => stream.events.some(({ data }) => data?.includes('there')), {
      what: 'the other session',
    });
    const again = await openStream(target, '/v1/events?sessions=s1,s2');
    await waitFor(() => again.frames('subscribed').length > 0, { what: 'the other session' });
    expect(again.frames('error')).toMatchObject([{ code: 'session_deleted', session: 's1' }]);
  });

  test('is told also where the word of it was lost, once the session is compared', async () => {
    const tails = new Map(world.hub.tails);
    world.hub.tails.clear();
    await removal(pathOf('s1'));
    for (const [session, listeners] of tails) world.hub.tails.set(session, listeners);
    expect(ann.frames('error')).toEqual([]);
    target.recording.reconnect();
    await goneFor(ann);
  });
});

describe('an item that is deleted', () => {
  test('is told to viewers, and to whoever comes back later', async () => {
    const away = await other.open({ user: 'bob' });
    await askOk(away, { type: 'subscribe', session: 's1' });
    const rev = away.frames('subscribed')[0]?.rev;
    await askOk(away, { type: 'unsubscribe', session: 's1' });
    expect((await removal(itemPath('m1'))).status).toBe(204);
    expect((await ann.nextFrame('removed')).item).toBe('m1');
    await askOk(away, { type: 'subscribe', session: 's1', rev });
    expect(away.frames('subscribed').at(-1)).toMatchObject({ removed: ['m1'] });
    expect((await request(target, `${pathOf('s1')}?after=${rev}`)).body).toMatchObject({ removed: ['m1'] });
    expect((await request(target, pathOf('s1'))).body).not.toHaveProperty('removed');
    expect(await codeOf(ann, { type: 'message', session: 's1', message: 'm3', text: 'x' })).toBe('ok');
  });

  test('is a run that stops, and whose streams end', async () => {
    const stream = await openStream(other, `${pathOf('s1', key.generation)}/events`);
    expect((await removal(itemPath(key.generation))).status).toBe(204);
    expect(run.cancels).toHaveLength(1);
    expect((await ann.nextFrame('removed')).item).toBe(key.generation);
    await stream.closed;
    expect(stream.events.at(-1)?.data).toContain('"not_found"');
    expect(await run.tryToWrite('late')).toBe('wrong_sequence');
    expect((await removal(itemPath('none'))).status).toBe(404);
  });
});

describe('who may', () => {
  const paths = (): readonly string[] => [itemPath('m1'), pathOf('s1')];
  const rename = (as: object) => request(target, pathOf('s1'), { method: 'PATCH', body: { title: 't' }, as });

  test.each([
    ['the author without scope `prompt`', { scope: 'read' }, [403, 'forbidden']],
    ['another user', { user: 'bob' }, [403, 'forbidden']],
    ['another user with `cancel`', { user: 'bob', scope: 'read prompt cancel' }, [403, 'forbidden']],
    ['a token of other sessions', { scope: 'admin delete', sessions: ['t*'] }, [404, 'not_found']],
    ['another org', { org: 'evil', scope: 'admin delete' }, [404, 'not_found']],
  ])('delete or rename: not %s', async (_who, as, expected) => {
    for (const path of paths()) {
      const answer = await removal(path, as);
      expect([answer.status, codeIn(answer)]).toEqual(expected);
    }
    const answer = await rename(as);
    expect([answer.status, codeIn(answer)]).toEqual(expected);
    expect((await world.bus.sessions.items(key, 0)).items).toHaveLength(2);
  });

  test.each([
    ['the author', {}],
    ['another user with `delete`', { user: 'bob', scope: 'delete' }],
    ['another user with `admin`', { user: 'bob', scope: 'admin' }],
  ])('delete and rename: %s', async (_who, as) => {
    expect((await rename(as)).status).toBe(200);
    for (const path of paths()) expect((await removal(path, as)).status).toBe(204);
  });

  test('nobody touches the system’s own sessions', async () => {
    const answer = await removal('/v1/sessions/_sluice_stats', { scope: 'admin delete' });
    expect([answer.status, codeIn(answer)]).toEqual([403, 'forbidden']);
  });
});
