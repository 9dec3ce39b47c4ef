import { describe, expect, test } from '@jest/globals';
import { deferred, waitFor } from '@sluice/testkit';
import { ask, askOk, codeOf, settled, textOf } from '../support/asking.ts';
import { attachmentScene, endOf, expectTiled, subscribe } from '../support/attachment-scene.ts';

const scene = attachmentScene();
const { at, running, untilText } = scene;

describe('subscribed', () => {
  test('comes first, with the items, and is followed by the unfinished', async () => {
    await running('a', 'b');
    const late = await scene.target.open();
    await askOk(late, subscribe());
    await untilText(late, 'ab');
    const [first] = late.frames().slice(1);
    expect(first).toMatchObject({ type: 'subscribed', session: 's1', viewers: 2 });
    expect(first).toMatchObject({ items: [{ id: scene.key.generation, status: 'running', input: 'hello' }] });
    expect(first).not.toHaveProperty('more');
  });

  test('of an empty session has rev 0 and no items', async () => {
    await askOk(scene.author, subscribe());
    const [frame] = scene.author.frames('subscribed');
    const [ready] = scene.author.frames('ready');
    const present = [{ user: 'ann', connection: ready?.connection }];
    const store = 'memory';
    expect(frame).toEqual({
      type: 'subscribed',
      session: 's1',
      rev: 0,
      store,
      viewers: 1,
      present,
      items: [],
    });
  });

  test('with a rev lists what changed since, oldest change first', async () => {
    for (const message of ['m1', 'm2', 'm3'])
      await askOk(scene.author, { type: 'message', session: 's1', message, text: message });
    await askOk(scene.author, subscribe());
    const [all] = scene.author.frames('subscribed');
    expect(all?.items.map(({ id }) => id)).toEqual(['m1', 'm2', 'm3']);
    const late = await scene.target.open();
    await askOk(late, subscribe({ rev: all?.items[0]?.rev ?? 0 }));
    const [some] = late.frames('subscribed');
    expect(some?.items.map(({ id }) => id)).toEqual(['m2', 'm3']);
    expect(some?.rev).toBe(all?.rev);
  });

  test('with the newest rev, or that of another session, lists nothing', async () => {
    await askOk(scene.author, { type: 'message', session: 's1', message: 'm1', text: 'x' });
    await askOk(scene.author, { type: 'message', session: 's2', message: 'm1', text: 'x' });
    await askOk(scene.author, subscribe());
    const rev = scene.author.frames('subscribed')[0]?.rev ?? 0;
    for (const since of [rev, rev + 1]) {
      await askOk(scene.author, subscribe({ rev: since }));
      expect(scene.author.frames('subscribed').at(-1)).toMatchObject({ rev: since, items: [] });
    }
    expect(scene.author.frames('subscribed').filter(({ reset }) => reset)).toEqual([]);
  });

  test('pages of a long session say `more`, and their revs lead through all of it', async () => {
    for (let i = 0; i < 230; i += 1)
      await askOk(scene.author, { type: 'message', session: 's1', message: `m${i}`, text: 'x' });
    const ids: string[] = [];
    for (let rev = 0, more = true; more;) {
      const pages = scene.author.frames('subscribed').length;
      await askOk(scene.author, subscribe({ rev }));
      const page = scene.author.frames('subscribed')[pages];
      ids.push(...(page?.items ?? []).map(({ id }) => id));
      more = page?.more === true;
      rev = page?.rev ?? 0;
    }
    expect(scene.author.frames('subscribed').length).toBeGreaterThan(1);
    expect(ids).toEqual(Array.from({ length: 230 }, (_, i) => `m${i}`));
  });

  test('is answered unavailable while storage is down, and works when it is back', async () => {
    scene.target.recording.isDown = true;
    expect(await ask(scene.author, subscribe())).toMatchObject({ code: 'unavailable', retryable: true });
    scene.target.recording.isDown = false;
    expect(await codeOf(scene.author, subscribe())).toBe('ok');
    expect(scene.author.frames('subscribed')).toMatchObject([{ viewers: 1 }]);
  });

  test('is not begun by the prompt behind a refused one: that would send again what the client has', async () => {
    await running('a', 'b');
    const back = await scene.target.open();
    scene.target.recording.isDown = true;
    expect(await codeOf(back, subscribe(at(0, 1)))).toBe('unavailable');
    scene.target.recording.isDown = false;
    const prompt = { type: 'prompt', session: 's1', generation: scene.key.generation, input: 'hello' };
    expect(await ask(back, prompt)).toMatchObject({ created: false });
    expect(back.frames('subscribed')).toEqual([]);
    await askOk(back, subscribe(at(0, 1)));
    await untilText(back, 'b');
    expect(back.frames('delta')).toMatchObject([{ seq: 2 }]);
  });
});

describe('subscribing again', () => {
  test('moves the position of a live attachment', async () => {
    const run = await running('a', 'b', 'c');
    await untilText(scene.author, 'abc');
    const before = scene.author.frames('delta').length;
    await askOk(scene.author, subscribe(at(0, 1)));
    await run.write('d');
    await run.end();
    await endOf(scene.author);
    const after = scene.author.frames('delta').slice(before);
    expectTiled(after, 1);
    expect(after.map(({ text }) => text).join('')).toBe('bcd');
    expect(scene.author.frames('end')).toHaveLength(1);
  });

  test('with a smaller window is held to it', async () => {
    const run = await running();
    await askOk(scene.author, subscribe({ window: 1, ...at(0, 0) }));
    const other = await scene.target.open();
    await askOk(other, subscribe());
    await run.write('a');
    await untilText(scene.author, 'a');
    await run.write('b');
    await untilText(other, 'ab');
    expect(textOf(scene.author, scene.key.generation)).toBe('a');
  });
});

describe('unsubscribing', () => {
  test('ends the frames of the session, and stops nothing', async () => {
    const run = await running('a');
    await untilText(scene.author, 'a');
    const other = await scene.target.open();
    await askOk(other, subscribe());
    await askOk(scene.author, { type: 'unsubscribe', session: 's1' });
    const before = scene.author.frames().length;
    await run.write('b');
    await run.end();
    await endOf(other);
    await settled(scene.author);
    expect(
      scene.author
        .frames()
        .slice(before)
        .map(({ type }) => type),
    ).toEqual(['ok']);
    expect(textOf(other, scene.key.generation)).toBe('ab');
  });

  test('of what was never subscribed is ok', async () => {
    expect(await codeOf(scene.author, { type: 'unsubscribe', session: 'never' })).toBe('ok');
  });

  test('lets the feed go once its linger is over', async () => {
    await askOk(scene.author, subscribe());
    const sessions = async (): Promise<number | undefined> =>
      (await scene.target.edge.metrics.registry.getSingleMetric('sluice_edge_sessions')?.get())?.values[0]
        ?.value;
    expect(await sessions()).toBe(1);
    await askOk(scene.author, { type: 'unsubscribe', session: 's1' });
    scene.clock.advance(29_999);
    // Whatever that brought about is done when the edge has answered the next frame.
    await askOk(scene.author, { type: 'unsubscribe', session: 'never' });
    expect(await sessions()).toBe(1);
    scene.clock.advance(1);
    await waitFor(async () => (await sessions()) === 0, { what: 'the feed to be closed' });
    expect([...scene.world.hub.tails.keys()]).toEqual([]);
  });
});

test('a session whose last viewer leaves while it is being opened is not followed for ever', async () => {
  const other = await scene.world.addEdge({ clock: scene.clock, lingerMs: 0 });
  const { tail } = other.recording.bus.tokens;
  const [asked, answered] = [deferred<void>(), deferred<void>()];
  Object.assign(other.recording.bus.tokens, {
    tail: async (...args: Parameters<typeof tail>) => {
      asked.resolve();
      await answered.promise;
      return tail(...args);
    },
  });
  const viewer = await other.open();
  viewer.send({ id: '1', ...subscribe({ session: 'brief' }) });
  await asked.promise;
  viewer.terminate();
  const sessions = async (): Promise<boolean> => {
    other.edge.tick();
    return (await other.edge.metrics.registry.metrics()).includes('sluice_edge_sessions 0\n');
  };
  await waitFor(sessions, { what: 'the edge to forget the session' });
  answered.resolve();
  await settled(await other.open());
  const tails = scene.world.hub.tails.get('acme.brief');
  expect(tails?.size ?? 0).toBe(0);
});
