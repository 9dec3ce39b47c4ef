import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseOrg, parseSessionId } from '@sluice/protocol';
import type { SessionKey } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import type { Bus, SessionCard, StoredCard } from '../src/index.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

const card = (title: string): SessionCard => ({ user: 'ann', createdAt: 1, activeAt: 2, title });

/** More than the server lists at once. */
const MANY = 1_100;

describe.each(backends)('SessionCards on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  beforeAll(async () => {
    world = await start();
    [bus, other] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  const isMarked = async ({ session }: SessionKey): Promise<boolean> =>
    (await bus.cards.marks()).some(({ key }) => key.session === session);

  test('a session that nobody has used has none', async () => {
    expect(await bus.cards.read(newKey())).toBeUndefined();
  });

  test('of two that write on the same version one is faster', async () => {
    const key = newKey();
    const rev = await bus.cards.write(key, card('one'), { rev: 0 });
    expect(await other.cards.write(key, card('two'), { rev: 0 })).toBeUndefined();
    expect(await other.cards.read(key)).toEqual({ rev, card: card('one') });
    expect(await other.cards.write(key, card('two'), { rev: rev ?? 0 })).toBeGreaterThan(rev ?? 0);
  });

  test('a tombstone takes the place of the card until it expires', async () => {
    const key = newKey();
    const rev = (await bus.cards.write(key, card('one'), { rev: 0 })) ?? 0;
    await bus.cards.write(key, { deletedAt: 3 }, { rev, ttlMs: 1_000 });
    expect((await other.cards.read(key))?.card).toEqual({ deletedAt: 3 });
    await waitFor(async () => (await bus.cards.read(key)) === undefined, {
      what: 'a free id',
      timeoutMs: 10_000,
    });
    expect(await bus.cards.write(key, card('new'), { rev: 0 })).toBeDefined();
  });

  test('they are listed by their last change, page by page, whatever changes meanwhile', async () => {
    const org = parseOrg('listed');
    const keyOf = (n: number): SessionKey => ({ org, session: parseSessionId(`s-${n}`) });
    for (let n = 0; n < MANY; n += 1) await bus.cards.write(keyOf(n), card(`${n}`), { rev: 0 });
    await bus.cards.write({ org: parseOrg('listed-not'), session: parseSessionId('x') }, card('x'), {
      rev: 0,
    });
    const titles: string[] = [];
    for (let next: number | undefined = Infinity; next !== undefined;) {
      const page = await other.cards.list(org, next);
      titles.push(...page.cards.map(({ card: found }) => (found as SessionCard).title ?? ''));
      ({ next } = page);
      // To the front: it is not met again, and hides no other.
      const moved = keyOf(MANY - 1);
      const { rev } = (await bus.cards.read(moved)) as StoredCard;
      await bus.cards.write(moved, card('moved'), { rev });
    }
    expect(titles).toEqual(Array.from({ length: MANY }, (_, n) => `${MANY - 1 - n}`));
  });

  test('what cannot be read is left out of a list', async () => {
    await world.publish('card.strange.s', '{"user":1}');
    await bus.cards.write({ org: parseOrg('strange'), session: parseSessionId('t') }, card('t'), { rev: 0 });
    const { cards } = await bus.cards.list(parseOrg('strange'));
    expect(cards.map(({ key }) => key.session)).toEqual(['t']);
    expect(await bus.cards.read({ org: parseOrg('strange'), session: parseSessionId('s') })).toBeUndefined();
  });

  test('whoever tails the session hears of each change', async () => {
    const key = newKey();
    const heard: StoredCard[] = [];
    const tail = await other.tokens.tail(key, {
      record: () => undefined,
      item: () => undefined,
      card: (stored) => heard.push(stored),
    });
    const rev = await bus.cards.write(key, card('one'), { rev: 0 });
    await waitFor(() => heard.length === 1, { what: 'the card' });
    expect(heard).toEqual([{ rev, card: card('one') }]);
    tail.close();
  });

  test('a mark stays until it is taken off, and a later one is not taken off by its earlier entry', async () => {
    const key = newKey();
    await bus.cards.mark(key);
    const [mark] = (await other.cards.marks()).filter((each) => each.key.session === key.session);
    if (mark === undefined) throw new Error('expected a mark');
    await bus.cards.mark(key);
    await other.cards.unmark(mark);
    expect(await isMarked(key)).toBe(true);
    const [again] = (await other.cards.marks()).filter((each) => each.key.session === key.session);
    await other.cards.unmark(again ?? mark);
    expect(await isMarked(key)).toBe(false);
  });
});
