import { describe, expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import type { RawEventStream } from '@sluice/testkit';
import { askOk, keyOf, newId } from '../support/asking.ts';
import type { FakeRun } from '../support/fake-worker.ts';
import { openStream, pathOf, request } from '../support/http.ts';
import { freshScene } from '../support/scene.ts';

const scene = freshScene();

const put = (session: string, id: string) =>
  request(scene.target, pathOf(session, id), { method: 'PUT', body: { input: 'x' } });
const start = async (session = 's1', id = newId()): Promise<FakeRun> => {
  await put(session, id);
  const run = await scene.worker.claim(keyOf(session, id));
  await run.serve();
  return run;
};
const typesOf = (stream: RawEventStream): string[] =>
  stream.events.filter(({ data }) => data !== undefined).map(({ event }) => event);
const arrived = (stream: RawEventStream, type: string, times = 1): Promise<unknown> =>
  waitFor(() => typesOf(stream).filter((event) => event === type).length >= times, {
    what: `${times} of ${type}`,
    pollMs: 1,
  });
const textOf = (streams: readonly RawEventStream[], id: string): string =>
  streams
    .flatMap((stream) => stream.frames('delta'))
    .filter(({ generation }) => generation === id)
    .map(({ text }) => text)
    .join('');

describe('the events of a session', () => {
  test('are the frames of the WebSocket, from the list of its items on', async () => {
    const stream = await openStream(scene.target, `${pathOf('s1')}/events`);
    await arrived(stream, 'subscribed');
    const client = await scene.target.open({ user: 'bob' });
    await askOk(client, { type: 'subscribe', session: 's1' });
    await askOk(client, { type: 'message', session: 's1', message: 'm1', text: 'hi' });
    await askOk(client, { type: 'signal', session: 's1', data: 'typing' });
    await arrived(stream, 'signal');
    const run = await start();
    await run.write('a');
    await run.end();
    await arrived(stream, 'end');
    await waitFor(() => stream.frames('item').at(-1)?.item, { what: 'items' });
    expect(typesOf(stream)[0]).toBe('subscribed');
    expect(new Set(typesOf(stream))).toEqual(
      new Set(['subscribed', 'presence', 'item', 'signal', 'delta', 'end']),
    );
    expect(client.frames('presence').length + (client.frames('subscribed')[0]?.viewers ?? 0)).toBeGreaterThan(
      1,
    );
  });

  test('resume by cursor with nothing twice and nothing missing, over ends and new generations', async () => {
    const [one, two] = [await start('s1', 'one'), await start('s1', 'two')];
    const streams: RawEventStream[] = [];
    const connect = async (): Promise<RawEventStream> => {
      const lastEventId = streams.at(-1)?.lastEventId;
      const stream = await openStream(
        scene.target,
        `${pathOf('s1')}/events`,
        lastEventId === undefined ? {} : { lastEventId },
      );
      streams.push(stream);
      return stream;
    };
    const written = { one: '', two: '' };
    const write = async (run: FakeRun, id: 'one' | 'two', text: string): Promise<void> => {
      await run.write(text);
      written[id] += text;
    };
    for (let i = 0; i < 10; i += 1) {
      const stream = await connect();
      await write(one, 'one', `1.${i} `);
      await write(two, 'two', `2.${i} `);
      await waitFor(() => textOf(streams, 'one') === written.one && textOf(streams, 'two') === written.two, {
        what: 'both texts',
        pollMs: 1,
      });
      stream.close();
      await write(two, 'two', `meanwhile ${i} `);
      if (i === 4) {
        await write(one, 'one', 'end');
        await one.end();
        break;
      }
    }
    const last = await connect();
    await arrived(last, 'end');
    await two.end();
    await arrived(last, 'end', 2);
    await arrived(last, 'item', 1);
    expect([textOf(streams, 'one'), textOf(streams, 'two')]).toEqual([written.one, written.two]);
    await waitFor(() => last.frames('item').some(({ item }) => item.id === 'two'), {
      what: 'the item of two',
    });
    last.close();
    const quiet = await connect();
    await arrived(quiet, 'subscribed');
    // What was told live comes once more until the server says that nothing before it is missing.
    const again = quiet.frames('subscribed')[0]?.items ?? [];
    expect(again.filter((item) => item.kind !== 'generation' || item.status !== 'done')).toEqual([]);
    expect([quiet.frames('delta'), quiet.frames('end')]).toEqual([[], []]);
  });

  test('list sessions that are too long for one list in several', async () => {
    for (let i = 0; i < 120; i += 1)
      await scene.world.bus.sessions.createItem(keyOf('long', 'x'), {
        ...{ id: `m${i}`, kind: 'message', user: 'ann', createdAt: 0, text: 'x' },
      });
    const stream = await openStream(scene.target, `${pathOf('long')}/events`);
    await arrived(stream, 'subscribed', 2);
    const [first, second] = stream.frames('subscribed');
    expect([first?.items.length, first?.more, second?.items.length, second?.more]).toEqual([
      100,
      true,
      20,
      undefined,
    ]);
  });

  test('are refused for a cursor that is none, and for a session out of reach', async () => {
    const path = `${pathOf('s1')}/events`;
    expect((await openStream(scene.target, path, { lastEventId: 'nonsense' })).status).toBe(400);
    expect((await openStream(scene.target, path, { as: { sessions: ['other'] } })).status).toBe(404);
    expect((await openStream(scene.target, path, { as: { scope: 'prompt' } })).status).toBe(403);
    scene.target.recording.isDown = true;
    expect((await openStream(scene.target, path)).status).toBe(503);
  });
});

test('orgs that use the same ids see nothing of each other', async () => {
  const orgs = ['acme', 'globex'] as const;
  const streams = await Promise.all(
    orgs.map((org) => openStream(scene.target, '/v1/events?sessions=room,hall', { as: { org } })),
  );
  for (const org of orgs) {
    const body = { input: `of ${org}` };
    await request(scene.target, pathOf('room', 'g'), { method: 'PUT', body, as: { org } });
    const run = await scene.worker.claim(keyOf('room', 'g', org));
    for (let i = 0; i < 20; i += 1) await run.write(`⟦${org}.${i}⟧`);
    await run.end();
  }
  for (const [index, stream] of streams.entries()) {
    await arrived(stream, 'end');
    const seen = JSON.stringify(stream.events);
    expect(seen).toContain(`⟦${orgs[index]}.19⟧`);
    expect(seen).not.toContain(orgs[1 - index]);
    expect(stream.frames('subscribed').map(({ viewers }) => viewers)).toEqual([1, 1]);
  }
});

describe('several sessions on one stream', () => {
  test('are resumed by one cursor, each where it was', async () => {
    const [one, two] = [await start('s1', 'one'), await start('s2', 'two')];
    const first = await openStream(scene.target, '/v1/events?sessions=s1,s2,s1');
    await arrived(first, 'subscribed', 2);
    await one.write('a');
    await two.write('b');
    await arrived(first, 'delta', 2);
    first.close();
    await one.write('c');
    await two.write('d');
    const lastEventId = first.lastEventId ?? '';
    const second = await openStream(scene.target, '/v1/events?sessions=s1,s2', { lastEventId });
    await arrived(second, 'delta', 2);
    const seen = second.frames('delta').map(({ session, text, from }) => [session, text, from]);
    expect(seen.toSorted((a, b) => String(a[0]).localeCompare(String(b[0])))).toEqual([
      ['s1', 'c', 1],
      ['s2', 'd', 1],
    ]);
    await waitFor(() => one.acks.at(-1)?.seq === 2 && two.acks.at(-1)?.seq === 2, { what: 'acks of both' });
  });

  test('are refused where one is out of reach or no id, or where they are too many', async () => {
    const statusOf = async (sessions: string): Promise<number> =>
      (await openStream(scene.target, `/v1/events?sessions=${sessions}`, { as: { sessions: ['s*'] } }))
        .status;
    expect(await statusOf('s1,other')).toBe(404);
    expect(await statusOf('s1,a.b')).toBe(400);
    expect(await statusOf('')).toBe(400);
    expect(await statusOf(Array.from({ length: 65 }, (_, i) => `s${i}`).join(','))).toBe(403);
  });
});
