import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { parseSessionId } from '@sluice/protocol';
import { startNatsServer, waitFor } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { connect, headers } from 'nats';
import { createNatsBus } from '../src/index.ts';
import type { Bus, CounterName } from '../src/index.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

const itemsOf = (): CounterName => ({ ...newKey(), unit: 'items' });

describe.each(backends)('Counters on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  beforeAll(async () => {
    world = await start();
    [bus, other] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  const valueOf = async (name: CounterName): Promise<number | undefined> =>
    (await bus.counters.read(name))?.value;

  test('a counter that nobody added to is missing, and starts from 0', async () => {
    const name = itemsOf();
    expect(await bus.counters.read(name)).toBeUndefined();
    expect(await bus.counters.add(name, 3)).toBe(3);
    expect(await other.counters.add(name, -2)).toBe(1);
    expect(await valueOf(name)).toBe(1);
  });

  test('2,000 increments at once over two buses get 2,000 distinct values', async () => {
    const name = itemsOf();
    const adding = Array.from({ length: 2_000 }, (_, n) => (n % 2 ? bus : other).counters.add(name, 1));
    const values = await Promise.all(adding);
    expect(new Set(values).size).toBe(2_000);
    expect(Math.max(...values)).toBe(2_000);
  });

  test('additions at once that cancel each other leave each its value', async () => {
    const name = itemsOf();
    const values = await Promise.all([3, 2, -2].map((delta) => bus.counters.add(name, delta)));
    expect(values).toEqual([3, 5, 3]);
    expect(await valueOf(name)).toBe(3);
  });

  test('items, bytes and the bytes of the org are counted apart', async () => {
    const { org, session } = newKey();
    await bus.counters.add({ org, session, unit: 'items' }, 1);
    await bus.counters.add({ org, session, unit: 'bytes' }, 20);
    await bus.counters.add({ org, unit: 'bytes' }, 300);
    const names: CounterName[] = [
      { org, session, unit: 'items' },
      { org, session, unit: 'bytes' },
      { org, unit: 'bytes' },
    ];
    expect(await Promise.all(names.map(valueOf))).toEqual([1, 20, 300]);
    expect(await valueOf({ org, session: newKey().session, unit: 'bytes' })).toBeUndefined();
  });

  test('users, whatever their names, and minutes are counted apart', async () => {
    const { org, session } = newKey();
    const names: CounterName[] = [
      { org, session, user: 'ann', unit: 'bytes' },
      { org, session, user: 'a.*>\n', unit: 'bytes' },
      { org, user: 'ann', unit: 'bytes' },
      { org, user: 'ann', minute: 7, unit: 'bytes' },
      { org, user: 'ann', minute: 8, unit: 'bytes' },
      { org, minute: 7, unit: 'bytes' },
      { org, session, unit: 'bytes' },
      { org, unit: 'bytes' },
    ];
    await Promise.all(names.map((name, n) => bus.counters.add(name, n + 1)));
    expect(await Promise.all(names.map(valueOf))).toEqual(names.map((_, n) => n + 1));
    expect(await other.counters.storedBytes(org)).toBe(7);
    expect(await other.counters.storedBytes(org, 'ann')).toBe(1);
  });

  test('what is added under one word by several counts once', async () => {
    const name = itemsOf();
    const adding = Array.from({ length: 6 }, (_, n) => (n % 2 ? bus : other).counters.add(name, 5, 'word'));
    expect(await Promise.all(adding)).toEqual([5, 5, 5, 5, 5, 5]);
    expect(await bus.counters.add(name, 5, 'other')).toBe(10);
  });

  test('of 50 that begin a counter at once one does, and nobody where it exists', async () => {
    const name = itemsOf();
    const begun = await Promise.all(
      Array.from({ length: 50 }, (_, n) => (n % 2 ? bus : other).counters.begin(name, 100 + n)),
    );
    expect(begun.filter(Boolean)).toHaveLength(1);
    expect(await valueOf(name)).toBe(100 + begun.indexOf(true));
    await bus.counters.add(name, 1);
    expect(await bus.counters.begin(name, 7)).toBe(false);
    expect(await valueOf(name)).toBe(101 + begun.indexOf(true));
  });

  test('a correction counts once for all who saw the same, and not where somebody has added since', async () => {
    const name = itemsOf();
    await bus.counters.add(name, 900);
    const { seq } = (await bus.counters.read(name)) ?? { seq: 0 };
    const correct = (at: number) => bus.counters.correct(name, { value: 40, seq: at, restMs: 0 });
    await Promise.all(Array.from({ length: 20 }, () => correct(seq)));
    expect(await valueOf(name)).toBe(40);
    await other.counters.add(name, 1);
    expect(await correct(seq)).toBe(false);
    expect(await valueOf(name)).toBe(41);
  });

  test('a correction waits until a counter has rested', async () => {
    const name = itemsOf();
    await bus.counters.add(name, 900);
    const { seq } = (await bus.counters.read(name)) ?? { seq: 0 };
    const correct = (restMs: number) => bus.counters.correct(name, { value: 40, seq, restMs });
    expect(await correct(60_000)).toBe(false);
    await waitFor(() => correct(30), { what: 'a rest of 30 ms' });
    expect(await valueOf(name)).toBe(40);
  });

  test('the bytes of an org are the sum over its sessions, however many', async () => {
    const { org } = newKey();
    const sessions = Array.from({ length: 1_100 }, (_, n) => parseSessionId(`s${n}`));
    await Promise.all(sessions.map((session) => bus.counters.add({ org, session, unit: 'bytes' }, 10)));
    await bus.counters.add({ org, session: parseSessionId('s1'), unit: 'items' }, 5);
    await bus.counters.add({ ...newKey(), unit: 'bytes' }, 7);
    expect(await other.counters.storedBytes(org)).toBe(11_000);
  });
});

describe('a counter on NATS', () => {
  let server: NatsServer;
  let bus: Bus;
  beforeEach(async () => {
    server = await startNatsServer();
    bus = await createNatsBus({ url: server.url, name: 'counters', retention: { sessionsMs: 2_000 } });
  });
  afterEach(async () => {
    await bus.close();
    await server.stop();
  });

  test('outlives its server', async () => {
    const name = itemsOf();
    await bus.counters.add(name, 40);
    await server.restart();
    await waitFor(() => bus.link.connected, { what: 'the bus to be back' });
    expect(await bus.counters.add(name, 1)).toBe(41);
  });

  test('counts an increment once whose first answer came too late', async () => {
    const name = itemsOf();
    await bus.counters.add(name, 1);
    await server.pause();
    const since = performance.now();
    const adding = Promise.allSettled(Array.from({ length: 20 }, () => bus.counters.add(name, 1)));
    // The first tries are given up after 1 s, and wait in the server's socket with the second ones.
    await waitFor(() => performance.now() - since > 1_300, { what: 'the second tries' });
    server.resume();
    expect((await adding).map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 'fulfilled'));
    expect((await bus.counters.read(name))?.value).toBe(21);
  });

  test('is renewed by each increment, and gone once nobody has added for as long as items are kept', async () => {
    const [renewed, quiet] = [itemsOf(), itemsOf()];
    await Promise.all([bus.counters.add(renewed, 1), bus.counters.add(quiet, 1)]);
    const isGone = async (): Promise<boolean> => {
      await bus.counters.add(renewed, 1);
      return (await bus.counters.read(quiet)) === undefined;
    };
    await waitFor(isGone, { what: 'the quiet counter to expire' });
    expect((await bus.counters.read(renewed))?.value).toBeGreaterThan(2);
    expect(await bus.counters.begin(quiet, 5)).toBe(true);
  });

  test('begins again where it was purged a moment after it began', async () => {
    const name = itemsOf();
    await bus.counters.begin(name, 3);
    const nc = await connect({ servers: server.url });
    await (await jetstreamManager(nc)).streams.purge('COUNTERS');
    await nc.close();
    expect(await bus.counters.begin(name, 4)).toBe(true);
    expect((await bus.counters.read(name))?.value).toBe(4);
  });

  test('that a stranger raised beyond all numbers is corrected', async () => {
    const { org, session } = newKey();
    const name: CounterName = { org, session, unit: 'items' };
    const nc = await connect({ servers: server.url });
    const fields = headers();
    fields.set('Nats-Incr', `+1${'0'.repeat(40)}`);
    await nc.request(`count.${org}.${session}.items`, '', { headers: fields, timeout: 2_000 });
    await nc.close();
    const found = await bus.counters.read(name);
    expect(found?.value).toBeGreaterThan(1e39);
    expect(await bus.counters.correct(name, { value: 5, seq: found?.seq ?? 0, restMs: 0 })).toBe(true);
    expect(await bus.counters.add(name, 1)).toBe(6);
  });
});
