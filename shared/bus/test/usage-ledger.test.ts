import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { dayNamed } from '@sluice/core';
import { parseGenerationId, parseOrg } from '@sluice/protocol';
import type { GenerationKey, UsageRecord } from '@sluice/protocol';
import { startNatsServer } from '@sluice/testkit';
import { connect } from 'nats';
import { createNatsBus, MAX_USAGE_PAGE } from '../src/index.ts';
import type { Bus } from '../src/index.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

const at = (time: string): number => Date.parse(`${time}Z`);
const day = (name: string): number => dayNamed(name) ?? NaN;

const recordOf = (more: Partial<UsageRecord> = {}): UsageRecord => ({
  ...{ v: 1, user: 'ann', model: 'm', reason: 'stop', attempts: 1, endedAt: at('2026-11-30T12:00:00') },
  ...{ promptTokens: 3, cachedTokens: 1, completionTokens: 5, gpuMs: 70, savedTokens: 0 },
  ...more,
});

const other = ({ org }: GenerationKey): GenerationKey => ({ ...newKey(), org });

describe.each(backends)('UsageLedger on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  beforeAll(async () => {
    world = await start();
    bus = await world.open();
  });
  afterAll(() => world.stop());

  test('a generation has one record: a repeat, with whatever it says, changes nothing', async () => {
    const key = newKey();
    const second = await world.open();
    await Promise.all([bus.usage.append(key, recordOf()), second.usage.append(key, recordOf())]);
    await second.usage.append(key, recordOf({ completionTokens: 9_999 }));
    const page = await bus.usage.read(key.org, day('2026-11-30'));
    expect(page).toMatchObject({ records: [recordOf()], more: false });
  });

  test('a day has the records of generations that ended on it, and of no other org', async () => {
    const key = newKey();
    await bus.usage.append(key, recordOf({ user: 'last of a day', endedAt: at('2026-11-29T23:59:59.999') }));
    await bus.usage.append(other(key), recordOf({ user: 'first', endedAt: at('2026-11-30T00:00:00') }));
    await bus.usage.append(newKey(), recordOf({ user: 'stranger' }));
    await bus.usage.append({ ...newKey(), org: parseOrg(`${key.org}x`) }, recordOf({ user: 'neighbour' }));
    const usersOn = async (name: string): Promise<string[]> =>
      (await bus.usage.read(key.org, day(name))).records.map(({ user }) => user);
    expect(await usersOn('2026-11-29')).toEqual(['last of a day']);
    expect(await usersOn('2026-11-30')).toEqual(['first']);
    expect(await usersOn('2026-12-01')).toEqual([]);
  });

  test('many are read page by page, and those that come later after the ones that are known', async () => {
    const key = newKey();
    const count = MAX_USAGE_PAGE + 50;
    for (let from = 0; from < count; from += 100)
      await Promise.all(
        Array.from({ length: Math.min(100, count - from) }, (_, n) =>
          bus.usage.append(
            { ...key, generation: parseGenerationId(`g-${from + n}`) },
            recordOf({ gpuMs: from + n }),
          ),
        ),
      );
    const today = day('2026-11-30');
    const first = await bus.usage.read(key.org, today);
    expect([first.records.length, first.more]).toEqual([MAX_USAGE_PAGE, true]);
    const rest = await bus.usage.read(key.org, today, first.last);
    expect([rest.records.length, rest.more]).toEqual([50, false]);
    const all = new Set([...first.records, ...rest.records].map(({ gpuMs }) => gpuMs));
    expect(all.size).toBe(count);
    expect(await bus.usage.read(key.org, today, rest.last)).toEqual({
      ...{ records: [], last: rest.last, more: false },
    });
    await bus.usage.append(other(key), recordOf({ user: 'late' }));
    expect((await bus.usage.read(key.org, today, rest.last)).records).toEqual([recordOf({ user: 'late' })]);
  });

  test('what is no record is left out, and what follows it is not', async () => {
    const key = newKey();
    await world.publish(`usage.${key.org}.2026-11-30.s.g`, '{"v":1,"user":"forged"}');
    await bus.usage.append(key, recordOf());
    expect((await bus.usage.read(key.org, day('2026-11-30'))).records).toEqual([recordOf()]);
  });
});

test('nobody may change, delete or purge a record', async () => {
  const server = await startNatsServer();
  const bus = await createNatsBus({ url: server.url, name: 'ledger' });
  const nc = await connect({ servers: server.url });
  const jsm = await jetstreamManager(nc);
  const key = newKey();
  await bus.usage.append(key, recordOf());
  const subject = `usage.${key.org}.2026-11-30.${key.session}.${key.generation}`;
  const js = jsm.jetstream();
  await expect(js.publish(subject, '{}')).rejects.toThrow('maximum messages per subject');
  await expect(jsm.streams.deleteMessage('USAGE', 1)).rejects.toThrow();
  await expect(jsm.streams.purge('USAGE')).rejects.toThrow();
  await expect(jsm.streams.update('USAGE', { deny_delete: false, deny_purge: false })).rejects.toThrow();
  expect((await bus.usage.read(key.org, day('2026-11-30'))).records).toEqual([recordOf()]);
  await nc.close();
  await bus.close();
  await server.stop();
});
