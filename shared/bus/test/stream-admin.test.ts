import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { StorageType, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import { startNatsServer } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { StreamMismatchError, createNatsBus, openStreamAdmin } from '../src/index.ts';
import type { NatsOptions, StreamAdmin, StreamPlan } from '../src/index.ts';
import { newKey } from './world.ts';

let server: NatsServer;
let nc: NatsConnection;
let jsm: JetStreamManager;
let admins: StreamAdmin[];

beforeEach(async () => {
  server = await startNatsServer();
  nc = await connect({ servers: server.url });
  jsm = await jetstreamManager(nc);
  admins = [];
});
afterEach(async () => {
  await Promise.all(admins.map((admin) => admin.close()));
  await nc.close();
  await server.stop();
});

const open = async (options: Partial<NatsOptions> = {}): Promise<StreamAdmin> => {
  const admin = await openStreamAdmin({ url: server.url, name: 'admin', ...options });
  admins.push(admin);
  return admin;
};
const openBus = () => createNatsBus({ url: server.url, name: 'service' });
const applyAll = async (admin: StreamAdmin): Promise<void> => {
  for (const plan of await admin.plans()) await admin.apply(plan);
};
const typesOf = (plans: readonly StreamPlan[]): string[] => [...new Set(plans.map(({ type }) => type))];
const planOf = async (admin: StreamAdmin, stream: string): Promise<StreamPlan | undefined> =>
  (await admin.plans()).find((plan) => plan.stream === stream);
/** As a release that used rollups made it. */
const earlier = (stream: string): Promise<unknown> =>
  jsm.streams.add({
    ...{ name: stream, subjects: [`$KV.${stream.slice(3)}.>`], max_msgs_per_subject: 1 },
    ...{ allow_rollup_hdrs: true, deny_delete: true },
  });

test('makes every stream on a new server, once: a service then finds them as it wants them', async () => {
  const admin = await open();
  expect(typesOf(await admin.plans())).toEqual(['missing']);
  await applyAll(admin);
  expect(typesOf(await admin.plans())).toEqual(['as_declared']);
  await applyAll(admin);
  await (await openBus()).close();
});

test('two of them at once make the same streams', async () => {
  const both = await Promise.all([open(), open()]);
  await Promise.all(both.map(applyAll));
  for (const admin of both) expect(typesOf(await admin.plans())).toEqual(['as_declared']);
});

test('looking changes nothing', async () => {
  await earlier('KV_SESSIONS');
  const before = (await jsm.streams.info('KV_SESSIONS')).config;
  const admin = await open();
  await admin.plans();
  expect((await jsm.streams.info('KV_SESSIONS')).config).toEqual(before);
  await expect(jsm.streams.info('TOKENS')).rejects.toThrow(/stream not found/);
});

test('an existing bucket that allows rollups is changed, and keeps what it holds', async () => {
  await earlier('KV_SESSIONS');
  await jsm.streams.update('KV_SESSIONS', { description: 'ours', metadata: { team: 'chat' } });
  await jetstream(nc).publish('$KV.SESSIONS.org.s.i', '{}');
  await expect(openBus()).rejects.toThrow(
    /KV_SESSIONS .*allow_rollup_hdrs: expected false, found true.* `sluice streams apply`/,
  );
  const admin = await open();
  expect(await planOf(admin, 'KV_SESSIONS')).toMatchObject({
    type: 'changeable',
    differences: expect.arrayContaining([
      'allow_rollup_hdrs: expected false, found true',
      'deny_purge: expected true, found false',
    ]),
  });
  await applyAll(admin);
  const { config, state } = await jsm.streams.info('KV_SESSIONS');
  expect(config).toMatchObject({ allow_rollup_hdrs: false, deny_purge: true, description: 'ours' });
  expect(config.metadata).toMatchObject({ team: 'chat' });
  expect(state.messages).toBe(1);
  await (await openBus()).close();
});

test('other sizes, ages and more partitions are changes too', async () => {
  await applyAll(await open());
  const larger = await open({
    ...{ partitions: 2, maxBytes: { sessions: 2 ** 31 } },
    retention: { sessionsMs: 2 * 86_400_000 },
  });
  expect(await planOf(larger, 'TOKENS_1')).toEqual({ type: 'missing', stream: 'TOKENS_1' });
  expect(await planOf(larger, 'KV_SESSIONS')).toMatchObject({ type: 'changeable' });
  await applyAll(larger);
  expect(typesOf(await larger.plans())).toEqual(['as_declared']);
});

describe('what the server cannot change', () => {
  test.each<[string, Partial<StreamConfig> & { name: string }, RegExp]>([
    [
      'storage',
      { name: 'KV_PROMPTS', subjects: ['$KV.PROMPTS.>'], storage: StorageType.Memory },
      /cannot change storage of a stream\. .*back it up.*`sluice streams apply`/,
    ],
    [
      'retention',
      { name: 'JOBS', subjects: ['job.*.*.*.*.*', 'own.*.*.*.*.*.*'] },
      /cannot change retention of a stream/,
    ],
    [
      'a log of an earlier release',
      { name: 'TOKENS', subjects: ['tok.0.*.*.*'] },
      /earlier Sluice.*`nats stream rm TOKENS`/,
    ],
  ])('%s: says what to do, and leaves the stream alone', async (_what, config, remedy) => {
    await jsm.streams.add(config);
    const before = (await jsm.streams.info(config.name)).config;
    const admin = await open();
    const plan = await planOf(admin, config.name);
    expect(plan).toMatchObject({ type: 'unchangeable', remedy: expect.stringMatching(remedy) });
    await applyAll(admin);
    expect((await jsm.streams.info(config.name)).config).toEqual(before);
  });

  test('a server alone keeps no three copies', async () => {
    const admin = await open({ replicas: 3 });
    await expect(applyAll(admin)).rejects.toThrow(StreamMismatchError);
    await expect(applyAll(admin)).rejects.toThrow(/expected the server to make TOKENS, got replicas > 1/);
  });
});

test('a message that a rollup cannot erase is still replaced by a newer one', async () => {
  await applyAll(await open());
  const bus = await openBus();
  const key = newKey();
  const line = { id: 'm', kind: 'message', user: 'ann', createdAt: 1, text: 'x' } as const;
  const rev = await bus.sessions.createItem(key, line);
  expect(await bus.sessions.updateItem(key, { ...line, text: 'y' }, rev ?? 0)).toBeDefined();
  expect((await jsm.streams.info('KV_SESSIONS')).state.messages).toBe(1);
  await bus.close();
});
