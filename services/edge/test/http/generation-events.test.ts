import { beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock, waitFor } from '@sluice/testkit';
import type { RawEventStream } from '@sluice/testkit';
import { keyOf, newId } from '../support/asking.ts';
import type { FakeRun } from '../support/fake-worker.ts';
import { openStream, pathOf, request } from '../support/http.ts';
import { freshScene } from '../support/scene.ts';

const scene = freshScene();
let id: string;
beforeEach(() => {
  id = newId();
});

const events = (more = ''): string => `${pathOf('s1', id)}/events${more}`;
const start = async (edge = scene.target): Promise<FakeRun> => {
  await request(edge, pathOf('s1', id), { method: 'PUT', body: { input: 'x' } });
  const run = await scene.worker.claim(keyOf('s1', id));
  await run.serve();
  return run;
};
const textIn = (stream: RawEventStream): string =>
  stream
    .frames('delta')
    .map(({ text }) => text)
    .join('');
const until = (stream: RawEventStream, text: string): Promise<unknown> =>
  waitFor(() => textIn(stream) === text, { what: `the text ${text}`, pollMs: 1 });

describe('the events of a generation', () => {
  test('are its deltas and its end, live, and the response ends with it', async () => {
    const run = await start();
    const stream = await openStream(scene.target, events());
    await run.write('a', 'b');
    await until(stream, 'ab');
    await run.end({ reason: 'stop', usage: { completion_tokens: 2 } });
    await stream.closed;
    const named = stream.events.filter(({ data }) => data !== undefined);
    expect(named.map(({ event }) => event)).toEqual([...named.slice(1).map(() => 'delta'), 'end']);
    expect(named.at(-1)).toMatchObject({ id: '0-2-end' });
    expect(named.at(-2)).toMatchObject({ id: '0-2' });
    expect(stream.frames('end')).toMatchObject([{ reason: 'stop', seq: 2, usage: { completion_tokens: 2 } }]);
  });

  test('come with the headers that keep proxies from holding them back, at once', async () => {
    await start();
    const { status, headers, events: first } = await openStream(scene.target, events());
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-request-id': expect.stringMatching(/./),
    });
    await waitFor(() => first[0]?.retry, { what: 'retry' });
    expect(first[0]?.retry).toBeGreaterThanOrEqual(1_000);
    expect(first[0]?.retry).toBeLessThanOrEqual(2_000);
  });

  test('resume after the last event, by header or by address, and the header counts', async () => {
    const run = await start();
    await run.write('a', 'b', 'c', 'd');
    for (const [path, lastEventId] of [
      [events('?after=0-2'), undefined],
      [events(), '0-2'],
      [events('?after=0-0'), '0-2'],
    ] as const) {
      const stream = await openStream(scene.target, path, lastEventId === undefined ? {} : { lastEventId });
      await until(stream, 'cd');
      expect(stream.frames('delta')[0]).toMatchObject({ from: 2, epoch: 0 });
      stream.close();
    }
  });

  test('of a position that is not in the log begin with a reset', async () => {
    const run = await start();
    await run.write('a');
    const stream = await openStream(scene.target, events('?after=0-9'));
    await until(stream, 'a');
    expect(
      stream.events.filter(({ data }) => data !== undefined).map(({ event, id: at }) => [event, at]),
    ).toEqual([
      ['reset', '0-0'],
      ['delta', '0-1'],
    ]);
  });

  test('follow a text that starts again', async () => {
    const run = await start();
    const stream = await openStream(scene.target, events());
    await run.write('old');
    await until(stream, 'old');
    await run.requeue();
    const second = await scene.worker.claim(keyOf('s1', id), { newEpoch: true });
    await second.write('new');
    await until(stream, 'oldnew');
    expect(stream.lastEventId).toBe('1-1');
    expect(stream.frames('reset')).toMatchObject([{ epoch: 1 }]);
  });

  test('of a generation that is done are its whole text and its end', async () => {
    const run = await start();
    await run.write('a', 'b');
    await run.end();
    const other = await scene.world.addEdge();
    const stream = await openStream(other, events());
    await stream.closed;
    expect([textIn(stream), stream.frames('end').length]).toEqual(['ab', 1]);
    const rest = await openStream(other, events(), { lastEventId: '0-2' });
    await rest.closed;
    expect([textIn(rest), rest.frames('end').length]).toEqual(['', 1]);
  });

  test('are 204 for a client that has had the end, so that an EventSource stays away', async () => {
    const run = await start();
    await run.end();
    const first = await openStream(scene.target, events());
    await first.closed;
    const again = await openStream(scene.target, events(), { lastEventId: first.lastEventId ?? '' });
    expect(again.status).toBe(204);
  });

  test('hold nothing of other generations, nor of the session', async () => {
    const run = await start();
    const stream = await openStream(scene.target, events());
    const other = newId();
    await request(scene.target, pathOf('s1', other), { method: 'PUT', body: { input: 'secret' } });
    const otherRun = await scene.worker.claim(keyOf('s1', other));
    await otherRun.serve();
    await otherRun.write('secret');
    await run.write('a');
    await run.end();
    await stream.closed;
    expect(JSON.stringify(stream.events)).not.toContain('secret');
    expect(otherRun.acks).toEqual([]);
  });

  test('of none, or at a place that is none, are refused before there is a stream', async () => {
    expect((await openStream(scene.target, events())).status).toBe(404);
    await start();
    for (const after of ['x', '1', '1-', '-1-2', '1-2-3', `${'9'.repeat(16)}-1`])
      expect((await openStream(scene.target, events(`?after=${after}`))).status).toBe(400);
    expect((await openStream(scene.target, events(), { as: { org: 'globex' } })).status).toBe(404);
    scene.target.recording.isDown = true;
    expect((await openStream(scene.target, events())).status).toBe(503);
  });
});

describe('a stream', () => {
  test('counts as a viewer whose flushed bytes are its acks, until it hangs up', async () => {
    const run = await start();
    const stream = await openStream(scene.target, events());
    for (let i = 0; i < 100; i += 1) await run.write('x');
    await waitFor(() => run.acks.at(-1)?.seq === 100, { what: 'an ack of all' });
    expect(run.acks.at(-1)).toMatchObject({ viewers: 1, seq: 100 });
    stream.close();
    await waitFor(() => run.acks.at(-1)?.viewers === 0, { what: 'no viewer' });
  });

  test('counts as a connection of its user', async () => {
    scene.target = await scene.world.addEdge({ maxConnectionsPerUser: 1, maxConnections: 2 });
    await start();
    const first = await openStream(scene.target, events());
    const second = await openStream(scene.target, events());
    expect([second.status, second.headers['retry-after']]).toEqual([429, '2']);
    expect((await openStream(scene.target, events(), { as: { user: 'bob' } })).status).toBe(200);
    expect((await openStream(scene.target, events(), { as: { user: 'cleo' } })).status).toBe(503);
    first.close();
    await waitFor(async () => (await openStream(scene.target, events())).status === 200, {
      what: 'room again',
    });
  });

  test('says something every 15 s, and ends before it is too old; a session’s with its token', async () => {
    const clock = new ManualClock(Date.now());
    scene.target = await scene.world.addEdge({ clock, maxStreamAgeMs: 100_000 });
    await start();
    const stream = await openStream(scene.target, events());
    const comments = (): number => stream.events.filter(({ comment }) => comment !== undefined).length;
    clock.advance(15_000);
    await waitFor(() => comments() === 1, { what: 'a comment' });
    clock.advance(15_000);
    await waitFor(() => comments() === 2, { what: 'another comment' });
    clock.advance(70_000);
    await stream.closed;
    expect(stream.frames('goaway')).toEqual([{ type: 'goaway', reconnectMs: 0 }]);
    // Minted by the real clock, which has moved a little since the other was made.
    const short = await openStream(scene.target, `${pathOf('s1')}/events`, { as: { ttlS: 130 } });
    clock.advance(60_000);
    await short.closed;
    expect(short.frames('error')).toMatchObject([{ code: 'unauthorized' }]);
  });

  test('of an edge that drains ends with a hint when to come back', async () => {
    const run = await start();
    const stream = await openStream(scene.target, events());
    await run.write('a');
    await until(stream, 'a');
    const drained = scene.target.edge.drain(50);
    await stream.closed;
    expect(stream.frames('goaway')).toMatchObject([{ type: 'goaway' }]);
    await drained;
  });

  test('that comes to an edge while it drains is sent away with a hint, not with an error', async () => {
    await start();
    const open = await openStream(scene.target, events());
    const drained = scene.target.edge.drain(2_000);
    const late = await openStream(scene.target, events());
    await late.closed;
    expect([late.status, late.frames('goaway')]).toEqual([200, [{ type: 'goaway', reconnectMs: 2_000 }]]);
    expect(late.events.findLast(({ retry }) => retry !== undefined)?.retry).toBe(2_000);
    open.close();
    await drained;
  });

  test('is counted as a request once it is over', async () => {
    const run = await start();
    await run.end();
    await (
      await openStream(scene.target, events())
    ).closed;
    const line = /sluice_edge_requests_total\{method="GET",route="[^"]*events",status="200"\} 1/;
    await waitFor(async () => line.test(await scene.target.edge.metrics.registry.metrics()), {
      what: 'the count',
    });
  });

  test('of a client that does not read its end does not keep the edge from closing', async () => {
    await start();
    (await openStream(scene.target, events())).pause();
    await scene.target.edge.close();
  });
});

describe('GET ?wait', () => {
  const wait = (seconds: number) => request(scene.target, `${pathOf('s1', id)}?wait=${seconds}`);

  test('answers when the generation is done, with all of it, and counts as a viewer', async () => {
    const run = await start();
    const waiting = wait(30);
    await waitFor(() => run.acks.at(-1)?.viewers === 1, { what: 'a viewer' });
    for (let i = 0; i < 100; i += 1) await run.write('x');
    await waitFor(() => run.acks.at(-1)?.seq === 100, { what: 'an ack of all' });
    await run.end();
    expect(await waiting).toMatchObject({ status: 200, body: { status: 'done', text: 'x'.repeat(100) } });
  });

  test('answers with what there is when the time is up, or when the edge goes', async () => {
    await start();
    expect((await wait(1)).body).toMatchObject({ status: 'running' });
    const waiting = wait(30);
    await waitFor(
      async () => (await scene.target.edge.metrics.registry.metrics()).includes('transport="wait"} 1'),
      {
        what: 'somebody to wait',
      },
    );
    void scene.target.edge.drain(50);
    expect((await waiting).body).toMatchObject({ status: 'running' });
  });

  test('answers at once for what is done, and refuses a wait that is none', async () => {
    const run = await start();
    await run.end();
    expect((await wait(30)).body).toMatchObject({ status: 'done' });
    for (const seconds of [61, -1, 1.5]) expect((await wait(seconds)).status).toBe(400);
  });
});
