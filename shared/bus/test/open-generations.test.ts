import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import { parseGenerationId } from '@sluice/protocol';
import type { GenerationKey } from '@sluice/protocol';
import type { Bus, OpenGeneration } from '../src/index.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

/** More than a page, and more than the server lists at once. */
const MANY = 2_100;

const listAll = async (bus: Bus): Promise<{ open: OpenGeneration[]; pages: number }> => {
  const open: OpenGeneration[] = [];
  let pages = 0;
  for (let next: number | undefined = 0; next !== undefined; pages += 1) {
    const page = await bus.open.list(next);
    open.push(...page.open);
    ({ next } = page);
  }
  return { open, pages };
};

describe.each(backends)('OpenGenerations on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  beforeAll(async () => {
    world = await start();
    [bus, other] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  const entriesOf = async ({ generation }: GenerationKey): Promise<OpenGeneration[]> =>
    (await listAll(bus)).open.filter(({ key }) => key.generation === generation);

  test('a list of none is empty', async () => {
    expect(await bus.open.list()).toEqual({ open: [], next: undefined });
  });

  test('what was added is listed once, until it is taken off', async () => {
    const key = newKey();
    await bus.open.add(key);
    await other.open.add(key);
    expect(await entriesOf(key)).toEqual([{ key, entry: expect.any(Number) }]);
    await other.open.remove(key);
    expect(await entriesOf(key)).toEqual([]);
    await other.open.remove(key);
  });

  test('those of one org are listed alone', async () => {
    const [ours, theirs] = [newKey(), newKey()];
    await Promise.all([bus.open.add(ours), bus.open.add(theirs)]);
    const { open } = await other.open.list(0, ours.org);
    expect(open.map(({ key }) => key)).toEqual([ours]);
    await Promise.all([bus.open.remove(ours), bus.open.remove(theirs)]);
  });

  test('what was added again meanwhile is not taken off by its earlier entry', async () => {
    const key = newKey();
    await bus.open.add(key);
    const [before] = await entriesOf(key);
    await other.open.add(key);
    await bus.open.remove(key, before?.entry);
    const [after] = await entriesOf(key);
    expect(after?.key).toEqual(key);
    await bus.open.remove(key, after?.entry);
    expect(await entriesOf(key)).toEqual([]);
  });

  test('a name that is no generation hides no other', async () => {
    await world.publish('open.acme.s.~', '{}');
    const key = newKey();
    await bus.open.add(key);
    expect(await entriesOf(key)).toHaveLength(1);
    await bus.open.remove(key);
  });

  test('many are listed in the order in which they were added, page by page', async () => {
    const session = newKey();
    const keys = Array.from({ length: MANY }, (_, n) => ({
      ...session,
      generation: parseGenerationId(`g-${n}`),
    }));
    for (const key of keys) await bus.open.add(key);
    const { open, pages } = await listAll(other);
    expect(open.map(({ key }) => key)).toEqual(keys);
    expect(pages).toBe(3);
    await Promise.all(keys.map((key) => bus.open.remove(key)));
    expect((await listAll(bus)).open).toEqual([]);
    // On NATS what took their place is gone soon as well, so that nobody has to read it.
    await waitFor(async () => (await listAll(bus)).pages === 1, { what: 'one page', timeoutMs: 10_000 });
  });
});
