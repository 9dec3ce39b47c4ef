import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BusUnavailableError } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { parseGenerationId, parseItemId } from '@sluice/protocol';
import type { GenerationKey, SessionKey } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import {
  changeItem,
  claimGeneration,
  checkNotDeleted,
  createGeneration,
  createMessage,
  expireSessions,
  deleteItem,
  deleteSession,
  ErasureSweeper,
  finishGeneration,
  noteActivity,
  readCard,
  renameSession,
  repeatGeneration,
  Room,
} from '../src/index.ts';
import { backends, entryOf, itemOf, newKey, write } from './world.ts';

/** What was said in a session, and by whom. */
const secretOf = ({ session }: SessionKey): string => `secret-${session.slice(0, 13)}-`;
const longOf = (key: SessionKey): string => `${secretOf(key)} `.repeat(2_000);
const userOf = ({ session }: SessionKey): string => `user-${session.slice(0, 13)}-`;
const allowed = (): void => undefined;

let models = 0;

describe.each(backends)('a deletion on $name', ({ name, start }) => {
  let bus: Bus;
  let content: () => Promise<string>;
  let stop: () => Promise<void>;
  let now = 1_000;
  const clock = { now: () => now, setTimeout: (fn: () => void, ms: number) => setTimeout(fn, ms) };
  beforeAll(async () => {
    ({ bus, content, stop } = await start());
  });
  afterAll(() => stop());

  const on = (each: Bus) => ({ bus: each, clock, tombstoneMs: 60_000 });
  const roomOf = (each: Bus): Room =>
    new Room({ bus: each, clock, limits: { maxItemsPerSession: 1_000, maxBytesPerSession: 1e9 } });
  const valuesOf = async ({ org, session }: SessionKey): Promise<(number | undefined)[]> => {
    const names = [
      { org, session, unit: 'items' },
      { org, session, unit: 'bytes' },
      { org, unit: 'bytes' },
    ] as const;
    const counts = await Promise.all(names.map((name) => bus.counters.read(name)));
    return counts.map((count) => count?.value);
  };
  const entry = (key: SessionKey) => ({
    ...entryOf(`m${(models += 1)}`),
    user: userOf(key),
    body: { input: longOf(key), model: `m${models}` },
  });

  /** A session with a line, a run that has ended, and one that its worker runs. */
  const fill = async (): Promise<{ readonly key: GenerationKey; readonly running: GenerationKey }> => {
    const key = newKey();
    const running = { ...key, generation: parseGenerationId(`${key.generation.slice(0, 20)}-r`) };
    const line = { id: 'line', kind: 'message', user: userOf(key), createdAt: 1, text: longOf(key) } as const;
    await createMessage({ bus, room: roomOf(bus) }, key, line);
    for (const each of [key, running]) {
      const asked = entry(key);
      await createGeneration({ bus, room: roomOf(bus) }, each, asked);
      await claim(asked.body.model);
      await write(bus, each, 1, { tokens: [secretOf(key), ' ', secretOf(key)] });
    }
    const leaving = { key, attempt: 1, at: { epoch: 0, seq: 3 }, tokens: [longOf(key)], leftAt: now };
    await finishGeneration(bus, leaving, { reason: 'stop' });
    await waitFor(async () => (await bus.cards.read(key)) !== undefined, { what: 'the card' });
    return { key, running };
  };
  const claim = async (model: string): Promise<void> => {
    const delivery = await bus.jobs.pull(model, 2_000, new AbortController().signal);
    if (delivery === undefined) throw new Error('expected a job');
    const judging = { isRunning: () => false, admits: () => true, standingOf: () => 'dead' as const };
    await claimGeneration(delivery, { bus, clock, worker: 'w1', ...judging });
    await delivery.ack();
  };

  /** Looks at all that is marked, twice: as time goes by. */
  const sweep = async (): Promise<void> => {
    const errors: unknown[] = [];
    const sweeper = new ErasureSweeper({ ...on(bus), onError: (error) => errors.push(error) });
    for (const ms of [0, 6_000, 60_000]) {
      now += ms;
      await sweeper.sweep();
    }
    expect(errors).toEqual([]);
  };

  const openOf = async ({ session }: SessionKey): Promise<readonly unknown[]> =>
    (await bus.open.list()).open.filter(({ key }) => key.session === session);
  const marksOf = async ({ session }: SessionKey): Promise<readonly unknown[]> =>
    (await bus.cards.marks()).filter(({ key }) => key.session === session);

  const expectErased = async (key: SessionKey): Promise<void> => {
    const stored = await content();
    expect(stored.includes(secretOf(key))).toBe(false);
    // What it cost has to be accounted for.
    const others = stored.split('\n').filter((line) => !line.startsWith('USAGE '));
    expect(others.join('\n').includes(userOf(key))).toBe(false);
    expect(await bus.sessions.items(key, 0)).toMatchObject({ items: [], more: false });
  };

  test('erases all of a session, frees what it took, and lets nobody in', async () => {
    const { key, running } = await fill();
    expect((await content()).includes(secretOf(key))).toBe(true);
    await deleteSession(on(bus), key, allowed);
    await expectErased(key);
    expect(await valuesOf(key)).toEqual([0, 0, 0]);
    expect(await openOf(key)).toEqual([]);
    await expect(readCard(bus, key)).rejects.toMatchObject({ code: 'session_deleted' });
    await expect(renameSession(bus, key, { title: 't', authorize: allowed, now })).rejects.toMatchObject({
      code: 'session_deleted',
    });
    // The worker comes too late with all that it has.
    const leaving = {
      key: running,
      attempt: 1,
      at: { epoch: 0, seq: 3 },
      tokens: [longOf(key)],
      leftAt: now,
    };
    expect(await finishGeneration(bus, leaving, { reason: 'stop' })).toBe(false);
    await expect(write(bus, running, 1, { tokens: [secretOf(key)] })).rejects.toThrow("as in the log's head");
    // So does the sender of a prompt, who repeats it.
    await expect(repeatGeneration(bus, key, undefined, 'h')).rejects.toMatchObject({ code: 'conflict' });
    await sweep();
    await expectErased(key);
    expect(await marksOf(key)).toEqual([]);
  });

  test('is refused to whoever may not, and then changes nothing', async () => {
    const { key } = await fill();
    const refuse = (): never => {
      throw new Error('no');
    };
    await expect(deleteSession(on(bus), key, refuse)).rejects.toThrow('no');
    await expect(deleteItem(on(bus), key, parseItemId('line'), refuse)).rejects.toThrow('no');
    expect((await bus.sessions.items(key, 0)).items).toHaveLength(3);
    expect(await marksOf(key)).toEqual([]);
    await deleteSession(on(bus), key, allowed);
  });

  test('of an item leaves the others, and gives back what it took', async () => {
    const { key, running } = await fill();
    const [, bytesBefore = 0] = await valuesOf(key);
    await deleteItem(on(bus), key, running.generation, allowed);
    await deleteItem(on(bus), key, running.generation, allowed);
    const page = await bus.sessions.items(key, 0);
    expect(page.items.map(({ item }) => item.id)).toEqual(['line', key.generation]);
    expect(page.erased.map(({ id }) => id)).toEqual([running.generation]);
    const [items, bytes = 0] = await valuesOf(key);
    expect(items).toBe(2);
    expect(bytes).toBeLessThan(bytesBefore - longOf(key).length);
    await deleteItem(on(bus), key, key.generation, allowed);
    await deleteItem(on(bus), key, parseItemId('line'), allowed);
    expect((await content()).includes(secretOf(key))).toBe(false);
    await expect(deleteItem(on(bus), key, parseItemId('none'), allowed)).rejects.toMatchObject({
      code: 'not_found',
    });
    await sweep();
    expect((await readCard(bus, key))?.card).toMatchObject({ user: userOf(key) });
    await deleteSession(on(bus), key, allowed);
    await sweep();
  });

  test.each([
    ['whose sender looks again', undefined],
    ['whose sender saw the session before, a while after its last activity', 2_000],
    ['whose sender saw it before, right after that', 2],
  ])('that comes while an item is being stored, %s, has it erased all the same', async (_who, laterMs) => {
    const { key } = await fill();
    const seen = laterMs === undefined ? undefined : await checkNotDeleted(bus, key);
    // The sender was let in, and stores its line only when all is erased.
    await deleteSession(on(bus), key, allowed);
    const late = {
      id: 'late',
      kind: 'message',
      user: userOf(key),
      createdAt: 2,
      text: secretOf(key),
    } as const;
    await bus.sessions.createItem(key, late);
    await noteActivity(bus, key, (seen?.card.activeAt ?? 0) + (laterMs ?? 2), seen);
    await sweep();
    await expectErased(key);
  });

  test('that overtakes a worker which writes its answer has that erased all the same', async () => {
    const { key, running } = await fill();
    let isFirst = true;
    const updateItem: Bus['sessions']['updateItem'] = async (...args) => {
      if (isFirst) await deleteSession(on(bus), key, allowed);
      isFirst = false;
      return bus.sessions.updateItem(...args);
    };
    const late = { ...bus, sessions: { ...bus.sessions, updateItem } };
    const item = { ...(await itemOf(bus, running)), text: longOf(key) };
    expect(await changeItem(late, running, () => item)).toBeUndefined();
    await sweep();
    await expectErased(key);
  });

  test('is made of what an org keeps no longer, and of nothing else', async () => {
    const { key } = await fill();
    const used = newKey();
    const line = { id: 'line', kind: 'message', user: userOf(used), createdAt: now, text: 'x' } as const;
    await createMessage({ bus, room: roomOf(bus) }, used, line);
    await waitFor(async () => (await bus.cards.read(used)) !== undefined, { what: 'the card' });
    expect(await expireSessions(on(bus), { org: key.org, sessionsMs: now + 1 })).toBe(0);
    // Only the session that was filled is that old.
    const retentions = () => [{ org: key.org, sessionsMs: now / 2 }];
    await new ErasureSweeper({ ...on(bus), retentions, onError: () => undefined }).sweep();
    await expectErased(key);
    expect((await bus.sessions.items(used, 0)).items).toHaveLength(1);
    await deleteSession(on(bus), used, allowed);
  });

  describe('whose process dies at any of its steps', () => {
    /** A bus that does so many writes and no more: the last one is stored or not. */
    const dyingAfter = (
      writes: number,
      isLastStored: boolean,
    ): { readonly bus: Bus; readonly isDead: () => boolean } => {
      let left = writes;
      const step = async <Result>(work: () => Promise<Result>): Promise<Result> => {
        left -= 1;
        if (left < 0) throw new BusUnavailableError('dead');
        if (left > 0) return work();
        if (isLastStored) await work();
        throw new BusUnavailableError('died');
      };
      const dying = <Part extends object>(part: Part, names: readonly (keyof Part)[]): Part => {
        const methods = names.map((name) => {
          const method = part[name] as (...args: unknown[]) => Promise<unknown>;
          return [name, (...args: unknown[]) => step(() => method(...args))] as const;
        });
        return { ...part, ...Object.fromEntries(methods) };
      };
      const dyingBus: Bus = {
        ...bus,
        cards: dying(bus.cards, ['mark', 'write', 'unmark']),
        erasure: dying(bus.erasure, ['item', 'rest']),
        open: dying(bus.open, ['remove']),
        counters: dying(bus.counters, ['add', 'correct']),
        sessions: dying(bus.sessions, ['updateItem']),
        tokens: dying(bus.tokens, ['append']),
      };
      return { bus: dyingBus, isDead: () => left <= 0 };
    };

    /** The same rules over both: on NATS, which is slow, some of the steps are enough. */
    const stride = name === 'memory' ? 1 : 4;

    /** Everything is done with a bus that dies after 1, 2, 3, … writes until one does not. */
    const atEachStep = async (
      remove: (context: ReturnType<typeof on>, key: SessionKey) => Promise<void>,
      complete: (key: SessionKey) => Promise<void>,
    ): Promise<number> => {
      for (let writes = 1; ; writes += stride) {
        for (const isLastStored of [false, true]) {
          const { key } = await fill();
          const dying = dyingAfter(writes, isLastStored);
          await remove(on(dying.bus), key).catch(() => undefined);
          await complete(key);
          await expectErased(key);
          expect(await openOf(key)).toEqual([]);
          if (!dying.isDead()) return writes;
        }
      }
    };
    const removeSession = (context: ReturnType<typeof on>, key: SessionKey): Promise<void> =>
      deleteSession(context, key, allowed);

    test('is completed by a repeat', async () => {
      expect(await atEachStep(removeSession, (key) => removeSession(on(bus), key))).toBeGreaterThan(10);
      await sweep();
    }, 60_000);

    test('is completed by a sweep, once its tombstone is there', async () => {
      const complete = async (key: SessionKey): Promise<void> => {
        await sweep();
        // Before that nothing has happened, and nobody was told that it had.
        const card = await bus.cards.read(key);
        if (card !== undefined && 'user' in card.card) await removeSession(on(bus), key);
      };
      expect(await atEachStep(removeSession, complete)).toBeGreaterThan(10);
      await sweep();
    }, 60_000);

    test('is completed by a sweep also for an item, once that is erased', async () => {
      const removeItems = async (context: ReturnType<typeof on>, key: SessionKey): Promise<void> => {
        for (const id of await context.bus.erasure.ids(key)) await deleteItem(context, key, id, allowed);
      };
      const complete = async (key: SessionKey): Promise<void> => {
        await sweep();
        for (const { item } of (await bus.sessions.items(key, 0)).items)
          await deleteItem(on(bus), key, parseItemId(item.id), allowed);
        await bus.cards.write(key, { deletedAt: 1 }, { rev: (await bus.cards.read(key))?.rev ?? 0 });
      };
      expect(await atEachStep(removeItems, complete)).toBeGreaterThan(10);
    }, 60_000);
  });
});
