import { beforeEach, describe, expect, test } from '@jest/globals';
import { createMemoryBus, createMemoryHub } from '@sluice/bus';
import type { Bus, MemoryHub } from '@sluice/bus';
import { parseOrg } from '@sluice/protocol';
import { ManualClock } from '@sluice/testkit';
import { ConnectionLeases } from '../../src/connections/connection-leases.ts';

const MINUTE_MS = 60_000;
const NAME = { org: parseOrg('acme'), user: 'ann', unit: 'connections' } as const;

describe('connections that are counted over all edges', () => {
  let hub: MemoryHub;
  let bus: Bus;
  let clock: ManualClock;
  beforeEach(() => {
    hub = createMemoryHub();
    bus = createMemoryBus(hub);
    clock = new ManualClock(10 * MINUTE_MS);
  });

  const edge = (): ConnectionLeases => new ConnectionLeases(createMemoryBus(hub), clock);
  const counted = async (minute: number): Promise<number> =>
    (await bus.counters.read({ ...NAME, minute }))?.value ?? 0;
  /** As edges do, twice a second. */
  const pass = (ms: number, ...edges: readonly ConnectionLeases[]): void => {
    for (let left = ms; left > 0; left -= 500) {
      clock.advance(500);
      for (const each of edges) each.tick(clock.now());
    }
  };

  test('are known to each edge at once', async () => {
    const [one, two] = [edge(), edge()];
    expect([await one.enter(NAME), await two.enter(NAME), await one.enter(NAME)]).toEqual([1, 2, 3]);
    expect([one.open(NAME), two.open(NAME)]).toEqual([2, 1]);
    one.leave(NAME);
    expect(await two.enter(NAME)).toBe(3);
  });

  test('stay counted over minutes, also those that come and go while they are renewed', async () => {
    const [one, two] = [edge(), edge()];
    await one.enter(NAME);
    await two.enter(NAME);
    pass(40_000, one, two);
    await one.enter(NAME);
    await two.enter({ ...NAME, user: 'bob' });
    one.leave(NAME);
    pass(40_000, one, two);
    expect([await counted(10), await counted(11)]).toEqual([2, 2]);
    pass(5 * MINUTE_MS, one, two);
    expect(await two.enter(NAME)).toBe(3);
    expect(await two.enter({ ...NAME, user: 'bob' })).toBe(2);
  });

  test('one that comes late in a minute for the first time is counted in the next', async () => {
    const [one, two] = [edge(), edge()];
    pass(50_000, one, two);
    await one.enter(NAME);
    pass(20_000, one, two);
    expect(await two.enter(NAME)).toBe(2);
  });

  test('those of an edge that died are forgotten within two minutes', async () => {
    const [dead, alive] = [edge(), edge()];
    for (let n = 0; n < 5; n += 1) await dead.enter(NAME);
    await alive.enter(NAME);
    pass(40_000, dead, alive);
    pass(80_000, alive);
    expect(await alive.enter(NAME)).toBe(2);
  });

  test('an edge that slept comes back with all it has', async () => {
    const [asleep, awake] = [edge(), edge()];
    for (let n = 0; n < 3; n += 1) await asleep.enter(NAME);
    pass(5 * MINUTE_MS, awake);
    expect(await asleep.enter(NAME)).toBe(4);
    expect(await awake.enter(NAME)).toBe(5);
  });

  test('an edge that closes takes its own off', async () => {
    const [one, two] = [edge(), edge()];
    await one.enter(NAME);
    await two.enter(NAME);
    pass(40_000, one, two);
    one.close();
    one.leave(NAME);
    expect(await two.enter(NAME)).toBe(2);
    pass(40_000, two);
    expect(await two.enter(NAME)).toBe(3);
  });

  test('while NATS is away nobody waits, and later they are counted', async () => {
    const inner = createMemoryBus(hub);
    const link = { ...inner.link, connected: false };
    const leases = new ConnectionLeases({ ...inner, link }, clock);
    expect(await leases.enter(NAME)).toBeUndefined();
    link.connected = true;
    pass(MINUTE_MS, leases);
    expect(await edge().enter(NAME)).toBe(2);
  });
});
