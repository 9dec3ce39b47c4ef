/** deploy/nats/users.conf lets each service do its work, and little else. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createNatsBus } from '@sluice/bus';
import { createMessage, deleteSession, endGeneration, Room } from '@sluice/lifecycle';
import type { Bus } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { readyMessage, sha256, startChild, startNatsServer, waitFor } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { ORG_STATS } from '@sluice/protocol';
import type { Revocation, StatsReport, UsageRecord } from '@sluice/protocol';
import { adminTokenFor, keyOf, recordedClient, storedText } from './support/clients.ts';
import { spawnEdge, spawnWorker } from './support/processes.ts';
import { credentials, passwordOf, refusalsOf, startShippedNats } from './support/shipped-users.ts';

let nats: NatsServer;
const closers: (() => unknown)[] = [];

const busAs = async (user: string): Promise<Bus> => {
  const bus = await createNatsBus({ url: nats.url, name: user, user, password: passwordOf(user) });
  closers.push(() => bus.close());
  return bus;
};

beforeAll(async () => {
  nats = await startShippedNats();
  closers.push(() => nats.stop());
});
afterAll(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const refusals = (): string[] => refusalsOf(nats);

test('an edge and a worker with the shipped permissions do a whole generation', async () => {
  const { child: edge, url } = await spawnEdge(nats.url, credentials('edge'));
  closers.push(() => edge.kill());
  const worker = await spawnWorker(nats.url, {
    ...credentials('worker'),
    SLUICE_SIMULATED_TOKENS_PER_SECOND: '200',
  });
  closers.push(() => worker.kill());
  const { client } = recordedClient(url);
  closers.push(() => client.close());
  const session = client.session('s');
  const { client: admin } = recordedClient(url, 'ada', { token: adminTokenFor('ada') });
  closers.push(() => admin.close());
  const reporters = new Set<string>();
  admin.session(ORG_STATS).on('signal', ({ data }) => void reporters.add((data as StatsReport).type));
  await admin.session(ORG_STATS).subscribe({ observe: true });
  const [first, second] = [100, 10_000].map((tokens) =>
    session.prompt({ input: 'go', params: { simulated: { tokens } } }),
  );
  if (first === undefined || second === undefined) throw new Error('expected two generations');
  const text = await first.done;
  const bus = await busAs('edge');
  expect(sha256(text)).toBe(sha256(await storedText(bus, keyOf('s', first.id))));
  await waitFor(() => second.position.seq > 300, { what: 'tokens beyond any lead, hence acks' });
  await second.cancel();
  expect((await second.end).reason).toBe('cancelled');
  await waitFor(() => reporters.size === 2, { what: 'figures of the edge and of the worker' });
  expect(refusals()).toEqual([]);
}, 40_000);

test('a worker in another language needs no more than those', async () => {
  const { child: edge, url } = await spawnEdge(nats.url, credentials('edge'));
  closers.push(() => edge.kill());
  const path = fileURLToPath(new URL('../examples/worker/worker.mjs', import.meta.url));
  const env = { SLUICE_NATS_URL: nats.url, NODE_OPTIONS: undefined, ...credentials('worker') };
  const worker = await startChild(process.execPath, [path], { env });
  closers.push(() => worker.kill());
  await readyMessage(worker);
  const { client } = recordedClient(url);
  closers.push(() => client.close());
  const ask = () =>
    client.session('other').prompt({ input: 'count', model: 'counting', params: { max_tokens: 5_000 } });
  const [cancelled, handedOver] = [ask(), ask()];
  await waitFor(() => cancelled.position.seq > 200, { what: 'tokens beyond any lead, hence acks' });
  await cancelled.cancel();
  expect((await cancelled.end).reason).toBe('cancelled');
  await worker.kill('SIGTERM');
  const bus = await busAs('edge');
  const key = keyOf('other', handedOver.id);
  const item = (await bus.sessions.item(key, key.generation))?.item;
  expect(item).toMatchObject({ status: 'queued', attempt: 1 });
  expect(refusals()).toEqual([]);
}, 30_000);

test('a worker takes over from one that died', async () => {
  const { child: edge, url } = await spawnEdge(nats.url, credentials('edge'));
  closers.push(() => edge.kill());
  const start = (name: string) =>
    spawnWorker(nats.url, { ...credentials('worker'), SLUICE_WORKER_NAME: name });
  const { client } = recordedClient(url);
  closers.push(() => client.close());
  const workers = await Promise.all(['one', 'two'].map(start));
  for (const worker of workers) closers.push(() => worker.kill());
  const generation = client
    .session('takeover')
    .prompt({ input: 'go', params: { simulated: { tokens: 400 } } });
  await waitFor(() => generation.position.seq > 20, { what: 'the first tokens' });
  const bus = await busAs('edge');
  const runner = (await bus.workers.list()).find(({ running }) => running.length > 0)?.worker;
  const index = ['one', 'two'].indexOf(runner ?? '');
  await (workers[index] ?? workers[0])?.kill('SIGKILL');
  expect(await generation.end).toMatchObject({ reason: 'stop', seq: 400 });
  expect(refusals()).toEqual([]);
}, 60_000);

test('an edge asks another one, whose answer may be large', async () => {
  const [one, two] = await Promise.all([busAs('edge'), busAs('edge')]);
  const answer = 'x'.repeat(3_000_000);
  const serving = await two.relay.serve('two', () => Promise.resolve(answer));
  closers.push(() => serving.close());
  expect((await one.relay.ask('two', 'anything', 5_000))?.length).toBe(answer.length);
  expect(await one.relay.ask('three', 'anything', 5_000)).toBeUndefined();
  expect(refusals()).toEqual([]);
});

test('an edge compares a session with what is stored, and sees which store that is', async () => {
  const bus = await busAs('edge');
  const key = keyOf('compared', 'none');
  expect(await bus.sessions.newestRev(key)).toBe(0);
  const line = { id: 'm', kind: 'message', user: 'ann', createdAt: 1, text: 'x' } as const;
  const rev = await bus.sessions.createItem(key, line);
  expect(await bus.sessions.newestRev(key)).toBe(rev);
  expect(await bus.sessions.store()).toMatchObject({ rev });
  expect(refusals()).toEqual([]);
});

test('an edge reads and hears of what admin has revoked', async () => {
  const [edge, admin] = await Promise.all([busAs('edge'), busAs('admin')]);
  const heard: string[] = [];
  const watch = await edge.revocations.watch(({ id }) => void heard.push(id));
  const now = Date.now();
  const revocation = (id: string): Revocation => ({
    ...{ org: keyOf('s', 'g').org, of: 'user', id, before: now, expiresAt: now + 60_000 },
  });
  await admin.revocations.put(revocation('ann'));
  await waitFor(() => heard.includes('ann'), { what: 'the revocation' });
  expect((await edge.revocations.list()).revocations).toMatchObject([{ id: 'ann' }]);
  expect(refusals()).toEqual([]);
  watch.close();
});

test('a worker and an edge write lines of the ledger, and an edge reads them', async () => {
  const [edge, worker] = await Promise.all([busAs('edge'), busAs('worker')]);
  const record: UsageRecord = {
    ...{ v: 1, user: 'ann', model: 'm', reason: 'stop', attempts: 1, endedAt: 1, promptTokens: 1 },
    ...{ cachedTokens: 0, completionTokens: 1, gpuMs: 1, savedTokens: 0 },
  };
  const [one, other] = [keyOf('ledger', 'one', 'billed'), keyOf('ledger', 'other', 'billed')];
  await worker.usage.append(one, record);
  await edge.usage.append(other, record);
  await edge.usage.append(one, { ...record, completionTokens: 5 });
  expect((await edge.usage.read(one.org, 0)).records).toEqual([record, record]);
  expect(refusals()).toEqual([]);
});

test('a service whose password is no longer taken ends with 1, rather than to wait for ever', async () => {
  const withPassword = (password: string, port?: number): Promise<NatsServer> =>
    startNatsServer({
      config: `authorization { user: own, password: ${password} }`,
      ...(port === undefined ? {} : { port }),
    });
  const first = await withPassword('before');
  const login = { SLUICE_NATS_USER: 'own', SLUICE_NATS_PASSWORD: 'before' };
  const services = await Promise.all([
    spawnEdge(first.url, login).then(({ child }) => child),
    spawnWorker(first.url, login),
  ]);
  for (const child of services) closers.push(() => child.kill());
  await first.stop();
  const second = await withPassword('after', first.port);
  closers.push(() => second.stop());
  for (const child of services) {
    expect(await child.exited).toEqual({ code: 1, signal: null });
    expect(child.output()).toContain('Authorization Violation');
  }
}, 60_000);

test('an edge ends a generation whose worker is gone, in the log too', async () => {
  const [edge, worker] = await Promise.all([busAs('edge'), busAs('worker')]);
  const key = keyOf('s', 'gone');
  const item: StoredGeneration = {
    id: key.generation,
    kind: 'generation',
    user: 'ann',
    createdAt: 1,
    model: 'm',
    input: 'go',
    governor: 'fastest',
    status: 'running',
    attempt: 1,
    epoch: 0,
    seq: 0,
    worker: 'gone',
  };
  await worker.sessions.createItem(key, item);
  const end = { reason: 'cancelled', receipt: { tokensAfterCancel: 0, msToAbort: 0 } } as const;
  expect(await endGeneration({ bus: edge, clock: { now: () => 2 } }, key, end)).toMatchObject({
    status: 'done',
  });
  expect((await worker.tokens.head(key))?.record).toMatchObject({ attempt: 2, end });
});

test('an edge deletes a session, and a worker that comes too late says so', async () => {
  const [edge, worker] = await Promise.all([busAs('edge'), busAs('worker')]);
  const key = keyOf('deleted', 'g');
  const room = new Room({
    ...{ bus: edge, clock: { now: () => 2, setTimeout } },
    limits: { maxItemsPerSession: 10, maxBytesPerSession: 1_000_000 },
  });
  const line = {
    id: 'm',
    kind: 'message',
    user: 'ann',
    createdAt: 1,
    text: 'the-secret '.repeat(4_000),
  } as const;
  await createMessage({ bus: edge, room }, key, line);
  await waitFor(() => edge.cards.read(key), { what: 'the card' });
  const clock = { now: () => 2, setTimeout: () => undefined };
  await deleteSession({ bus: edge, clock, tombstoneMs: 60_000 }, key, () => undefined);
  await worker.cards.mark(key);
  expect((await edge.cards.marks()).map((mark) => mark.key.session)).toContain('deleted');
  expect(await worker.cards.read(key)).toMatchObject({ card: { deletedAt: 2 } });
  expect((await edge.sessions.items(key, 0)).items).toEqual([]);
  expect(refusals()).toEqual([]);
});
