import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { StoredRevocation } from '@sluice/core';
import { parseOrg } from '@sluice/protocol';
import type { Revocation } from '@sluice/protocol';
import { Queue, waitFor } from '@sluice/testkit';
import type { Bus } from '../src/index.ts';
import { backends } from './world.ts';
import type { World } from './world.ts';

/** More than the server lists at once. */
const MANY = 1_100;

const revocation = (more: Partial<Revocation> = {}): Revocation => {
  const now = Date.now();
  const org = parseOrg(`org-${randomUUID()}`);
  return { org, of: 'user', id: 'ann', before: now, expiresAt: now + 60_000, ...more };
};
const without = ({ rev: _rev, ...rest }: StoredRevocation): Revocation => rest;

describe.each(backends)('Revocations on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  beforeAll(async () => {
    world = await start();
    [bus, other] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  const listed = async ({ org }: Revocation): Promise<StoredRevocation[]> =>
    (await other.revocations.list()).revocations.filter((each) => each.org === org);

  test('a list of none is empty', async () => {
    expect(await bus.revocations.list()).toEqual({ revocations: [], upTo: 0 });
  });

  test('what was put is listed, and heard of by whoever watches', async () => {
    const heard = new Queue<StoredRevocation>();
    const watch = await other.revocations.watch((each) => heard.push(each));
    const wanted = [
      revocation(),
      revocation({ of: 'org', id: '' }),
      revocation({ of: 'session', id: 's-1' }),
      revocation({ of: 'token', id: 'any text.*> \u{1f512} of a token' }),
    ];
    for (const each of wanted) {
      await bus.revocations.put(each);
      const [found] = await listed(each);
      expect(found && without(found)).toEqual(each);
      expect(await heard.next()).toEqual(found);
      expect((await other.revocations.list()).upTo).toBe(found?.rev);
    }
    watch.close();
    await bus.revocations.put(revocation());
    expect(heard.size).toBe(0);
  });

  test('a newer one of the same target takes its place, and one that has expired lifts it', async () => {
    const first = revocation();
    await bus.revocations.put(first);
    const [{ rev } = { rev: 0 }] = await listed(first);
    const second = { ...first, before: first.before + 5 };
    await bus.revocations.put(second);
    expect(await listed(first)).toEqual([{ ...second, rev: expect.any(Number) }]);
    expect((await listed(first))[0]?.rev).toBeGreaterThan(rev);
    await bus.revocations.put({ ...first, before: 0, expiresAt: Date.now() });
    const isLifted = async (): Promise<boolean> =>
      (await listed(first)).every(({ expiresAt }) => expiresAt <= Date.now());
    expect(await isLifted()).toBe(true);
    await waitFor(async () => (await listed(first)).length === 0, {
      what: 'the entry to go',
      timeoutMs: 5_000,
    });
  });

  test('orgs, kinds and ids are told apart', async () => {
    const { org } = revocation();
    const all = (['org', 'user', 'token', 'session'] as const).map((of) => revocation({ org, of, id: 'x' }));
    for (const each of [...all, revocation({ of: 'user', id: 'x' })]) await bus.revocations.put(each);
    expect(await listed(revocation({ org }))).toHaveLength(4);
  });

  test('lists are whole, however many there are', async () => {
    const { org } = revocation();
    const all = Array.from({ length: MANY }, (_, n) => revocation({ org, id: `user-${n}` }));
    await Promise.all(all.map((each) => bus.revocations.put(each)));
    const ids = (await listed(revocation({ org }))).map(({ id }) => id);
    expect(new Set(ids)).toEqual(new Set(all.map(({ id }) => id)));
    expect(ids).toHaveLength(MANY);
  });
});
