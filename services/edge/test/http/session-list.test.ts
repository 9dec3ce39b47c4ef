import { expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import type { MintOptions } from '@sluice/testkit';
import { askOk, keyOf } from '../support/asking.ts';
import { codeIn, pathOf, request } from '../support/http.ts';
import { freshScene } from '../support/scene.ts';

const scene = freshScene();

type Listed = { readonly session: string; readonly title?: string; readonly preview?: string };
type List = { readonly sessions: readonly Listed[]; readonly next?: number };

const list = async (query = '', as: Partial<MintOptions> = {}): Promise<List> =>
  (await request(scene.target, `/v1/sessions${query}`, { as })).body as List;
const idsOf = ({ sessions }: List): string[] => sessions.map(({ session }) => session);

/** One line in a session, which is listed when this resolves. */
const say = async (session: string, text: string, as: Partial<MintOptions> = {}): Promise<void> => {
  const client = await scene.target.open(as);
  const { cards } = scene.world.bus;
  const key = keyOf(session, 'g', as.org ?? 'acme');
  const before = (await cards.read(key))?.rev;
  await askOk(client, { type: 'message', session, message: `m-${text}`, text });
  await waitFor(async () => (await cards.read(key))?.rev !== before, { what: 'the card' });
  client.terminate();
};

test('lists sessions by their last activity, with what was said last', async () => {
  expect(await list()).toEqual({ sessions: [] });
  await say('s1', 'one');
  await say('s2', 'two', { user: 'bob' });
  const { sessions } = await list();
  expect(sessions).toEqual([
    expect.objectContaining({ session: 's2', user: 'bob', items: 1, preview: 'two' }),
    expect.objectContaining({ session: 's1', user: 'ann', items: 1, preview: 'one' }),
  ]);
  expect(idsOf(await list('?user=bob'))).toEqual(['s2']);
});

test('shows nothing that the token does not reach', async () => {
  await say('s1', 'one');
  await say('t1', 'two');
  await say('u1', 'three', { org: 'evil' });
  expect(idsOf(await list('', { sessions: ['s*'] }))).toEqual(['s1']);
  expect(idsOf(await list('', { sessions: ['t1', 'x'] }))).toEqual(['t1']);
  expect(idsOf(await list('', { org: 'evil', scope: 'read admin' }))).toEqual(['u1']);
  expect(codeIn(await request(scene.target, '/v1/sessions', { as: { scope: 'prompt' } }))).toBe('forbidden');
});

test('goes on where a list ended, whatever is used meanwhile', async () => {
  for (let n = 0; n < 7; n += 1) await say(`s${n}`, `${n}`);
  const found: string[] = [];
  for (let query = '?limit=2', next: number | undefined = 0; next !== undefined;) {
    const page: List = await list(query);
    found.push(...idsOf(page));
    ({ next } = page);
    query = `?limit=2&after=${next}`;
    const { cards } = scene.world.bus;
    const stored = await cards.read(keyOf('s6', 'g'));
    if (stored !== undefined && 'user' in stored.card)
      await cards.write(keyOf('s6', 'g'), stored.card, stored);
  }
  expect(found).toEqual(['s6', 's5', 's4', 's3', 's2', 's1', 's0']);
});

test('a new title is listed, and told to viewers', async () => {
  await say('s1', 'one');
  const viewer = await scene.target.open({ user: 'bob' });
  await askOk(viewer, { type: 'subscribe', session: 's1' });
  const rename = (title: string) => request(scene.target, pathOf('s1'), { method: 'PATCH', body: { title } });
  expect((await rename(' Plans ')).body).toMatchObject({ session: 's1', user: 'ann', title: 'Plans' });
  expect((await viewer.nextFrame('title')).title).toBe('Plans');
  expect((await list()).sessions).toMatchObject([{ session: 's1', title: 'Plans' }]);
  await askOk(viewer, { type: 'subscribe', session: 's1' });
  expect(viewer.frames('subscribed').at(-1)?.title).toBe('Plans');
  expect((await rename('')).body).not.toHaveProperty('title');
  expect(await viewer.nextFrame('title')).not.toHaveProperty('title');
  for (const bad of ['x'.repeat(201), 'a\u202eb', 'a\u200bb', 'a\nb'])
    expect(codeIn(await rename(bad))).toBe('bad_frame');
});

test('a session that has no card yet gets one once it is watched', async () => {
  const key = keyOf('old', 'g');
  const line = { id: 'm1', kind: 'message', user: 'cat', createdAt: 7, text: 'long ago' } as const;
  await scene.world.bus.sessions.createItem(key, line);
  expect(await list()).toEqual({ sessions: [] });
  await askOk(await scene.target.open(), { type: 'subscribe', session: 'old' });
  await waitFor(async () => (await list()).sessions.length > 0, { what: 'the session in the list' });
  expect((await list()).sessions).toMatchObject([{ session: 'old', user: 'cat', createdAt: 7, activeAt: 7 }]);
});
