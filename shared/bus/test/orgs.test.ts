import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseOrg } from '@sluice/protocol';
import type { Org, OrgSettings } from '@sluice/protocol';
import { Queue, waitFor } from '@sluice/testkit';
import { OrgWatch } from '../src/index.ts';
import type { Bus } from '../src/index.ts';
import { orgSubject } from '../src/subjects.ts';
import { backends } from './world.ts';
import type { World } from './world.ts';

const newOrg = (): Org => parseOrg(`org-${randomUUID()}`);

const SETTINGS: OrgSettings = {
  quota: { user: { promptsPerMinute: 3 }, org: { bytesStored: 1_000, connections: 0 } },
  retention: { sessionsMs: 3_600_000 },
  models: ['a', 'b'],
  price: { input: 0.5, output: 2 },
};

describe.each(backends)('Orgs on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  beforeAll(async () => {
    world = await start();
    [bus, other] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  test('an org of which nothing is set has no settings, and is not listed', async () => {
    const org = newOrg();
    expect(await bus.orgs.read(org)).toEqual({ settings: {}, rev: 0 });
    expect((await bus.orgs.list()).has(org)).toBe(false);
  });

  test('what was written is read and listed elsewhere', async () => {
    const org = newOrg();
    expect(await bus.orgs.write(org, SETTINGS, 0)).toBe(true);
    expect((await other.orgs.read(org)).settings).toEqual(SETTINGS);
    expect((await other.orgs.list()).get(org)).toEqual(SETTINGS);
  });

  test('of two who change the same settings one is refused', async () => {
    const org = newOrg();
    await bus.orgs.write(org, {}, 0);
    const { rev } = await bus.orgs.read(org);
    const written = await Promise.all([
      bus.orgs.write(org, { models: ['a'] }, rev),
      other.orgs.write(org, { models: ['b'] }, rev),
    ]);
    expect(written.filter(Boolean)).toHaveLength(1);
    expect(await other.orgs.write(org, SETTINGS, 0)).toBe(false);
  });

  test('who listens hears of each write', async () => {
    const org = newOrg();
    const heard = new Queue<readonly [Org, OrgSettings]>();
    const subscription = await other.orgs.onWrite((...write) => heard.push(write));
    await bus.orgs.write(org, SETTINGS, 0);
    expect(await heard.next()).toEqual([org, SETTINGS]);
    subscription.close();
  });

  test('a watch knows what was there before it, and what is written afterwards', async () => {
    const [before, after] = [newOrg(), newOrg()];
    await bus.orgs.write(before, SETTINGS, 0);
    const watch = new OrgWatch(other, (error) => {
      throw error;
    });
    await watch.open();
    expect(watch.of(before)).toEqual(SETTINGS);
    expect(watch.of(after)).toEqual({});
    await bus.orgs.write(after, { models: ['m'] }, 0);
    await waitFor(() => watch.of(after).models?.length === 1, { what: 'the settings that were written' });
    watch.close();
    watch.close();
  });

  test('settings that cannot be read are as good as none, and fields of later releases are left out', async () => {
    const [bad, late] = [newOrg(), newOrg()];
    await world.publish(orgSubject(bad), '{"models":"all"}');
    await world.publish(orgSubject(late), '{"models":["a"],"colour":"blue"}');
    expect((await bus.orgs.read(bad)).settings).toEqual({});
    expect((await bus.orgs.list()).get(late)).toEqual({ models: ['a'] });
    expect(await bus.orgs.write(bad, SETTINGS, (await bus.orgs.read(bad)).rev)).toBe(true);
    expect((await bus.orgs.read(bad)).settings).toEqual(SETTINGS);
  });
});
