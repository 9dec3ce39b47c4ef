/** deploy/nats/users.conf lets each service do its work, and little else. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createNatsBus, openStreamAdmin } from '@sluice/bus';
import { createMessage, deleteSession, endGeneration, Room } from '@sluice/lifecycle';
import type { Bus } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { readyMessage, sha256, startChild, startNatsServer, waitFor } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { PermissionViolationError, connect } from 'nats';
import type { NatsConnection } from 'nats';
import { ORG_STATS } from '@sluice/protocol';
import type { Revocation, StatsReport, UsageRecord } from '@sluice/protocol';
import { adminTokenFor, keyOf, recordedClient, storedText } from './support/clients.ts';
import { spawnEdge, spawnWorker } from './support/processes.ts';

const users = readFileSync(new URL('../deploy/nats/users.conf', import.meta.url), 'utf8');
const passwordOf = (user: string): string => `${user}-pw`;
const passwords = ['edge', 'worker', 'admin'].map(
  (user) => `NATS_${user.toUpperCase()}_PASSWORD: ${passwordOf(user)}`,
);

let nats: NatsServer;
const closers: (() => unknown)[] = [];

const busAs = async (user: string): Promise<Bus> => {
  const bus = await createNatsBus({ url: nats.url, name: user, user, password: passwordOf(user) });
  closers.push(() => bus.close());
  return bus;
};

beforeAll(async () => {
  nats = await startNatsServer({ config: [...passwords, users].join('\n') });
  closers.push(() => nats.stop());
  // No other user may create them.
  const login = { user: 'admin', password: passwordOf('admin') };
  const streams = await openStreamAdmin({ url: nats.url, name: 'admin', ...login });
  for (const plan of await streams.plans()) await streams.apply(plan);
  await streams.close();
});
afterAll(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** What the server has refused, but for the streams that services try to create and then only check. */
const refusals = (): string[] =>
  nats
    .log()
    .split('\n')
    .filter((line) => line.includes('Violation') && !line.includes('$JS.API.STREAM.CREATE.'));

const credentials = (user: string): Record<string, string> => ({
  SLUICE_NATS_USER: user,
  SLUICE_NATS_PASSWORD: passwordOf(user),
});

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
    ...{ bus: edge, clock: { now: () => 2 } },
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

// --- what is refused --------------------------------------------------------------------------------------

const FORBIDDEN: Readonly<Record<string, { publish: readonly string[]; subscribe: readonly string[] }>> = {
  edge: {
    publish: [
      'live.tok.acme.s.g',
      'live.revoked.any',
      '$KV.REVOKED.any',
      'beat.workers',
      '$KV.WORKERS.w',
      '$KV.ORGS.acme',
      'live.org.acme',
      'job.bQ.any',
      '$JS.API.STREAM.MSG.DELETE.OPEN',
      'own.w.bQ',
      '$JS.API.STREAM.DELETE.TOKENS',
      '$JS.API.STREAM.PURGE.BODIES',
      '$JS.API.STREAM.PURGE.TOKENS',
      '$JS.API.STREAM.UPDATE.TOKENS',
      '$JS.API.STREAM.PURGE.USAGE',
      '$JS.API.STREAM.MSG.DELETE.USAGE',
      '$JS.API.STREAM.DELETE.USAGE',
      '$JS.API.STREAM.UPDATE.USAGE',
      '$JS.API.STREAM.MSG.DELETE.TOKENS',
      '$JS.API.CONSUMER.CREATE.TOKENS.mine',
      '$JS.API.CONSUMER.MSG.NEXT.JOBS.any',
      '$SYS.REQ.SERVER.PING',
    ],
    subscribe: ['>', 'tok.>', 'ctl.>', '$KV.>', '_INBOX.>', '_INBOX_worker.>', '_INBOX_admin.>'],
  },
  worker: {
    publish: [
      'live.tok.acme.s.g',
      'live.item.acme.s.g',
      'live.revoked.any',
      '$KV.REVOKED.any',
      '$JS.API.DIRECT.GET.KV_REVOKED',
      'ctl.acme.s.g',
      'live.pres.acme.s.all',
      'stats.ask',
      'conn.edge-1',
      '$KV.PROMPTS.acme.s.g',
      '$KV.ORGS.acme',
      'card.acme.s',
      'body.acme.s.g.prompt.0123456789abcdef.0',
      'body.acme.s.g.message.0123456789abcdef.0',
      '$JS.API.STREAM.DELETE.KV_SESSIONS',
      '$JS.API.STREAM.PURGE.JOBS',
      '$JS.API.STREAM.PURGE.USAGE',
      '$JS.API.STREAM.MSG.DELETE.USAGE',
      '$JS.API.STREAM.DELETE.USAGE',
      '$JS.API.STREAM.UPDATE.USAGE',
      '$JS.API.DIRECT.GET.USAGE',
      '$JS.API.CONSUMER.DELETE.TOKENS.any',
      '$JS.API.CONSUMER.CREATE.TOKENS.mine',
      '_INBOX_edge.x',
    ],
    subscribe: ['>', 'live.>', 'live.pres.>', 'conn.*', 'tok.>', 'job.>', 'own.>', '_INBOX_edge.>'],
  },
  admin: {
    publish: [
      'tok.0.acme.s.g.0',
      'body.acme.s.g.answer.0123456789abcdef.0',
      'ctl.acme.s.g',
      'conn.edge-1',
      'live.tok.acme.s.g',
      'usage.acme.2026-11-30.s.g',
    ],
    subscribe: ['>', 'ctl.>', 'conn.>', '_INBOX_edge.>'],
  },
};

const STREAMS = ['TOKENS', 'KV_SESSIONS', 'KV_PROMPTS', 'KV_WORKERS', 'BODIES', 'OPEN', 'JOBS', 'COUNTERS'];
/** Of every stream, for no service. */
const OF_STREAMS = [
  'STREAM.CREATE',
  'STREAM.UPDATE',
  'STREAM.DELETE',
  'STREAM.PURGE',
  'STREAM.MSG.DELETE',
  'STREAM.SNAPSHOT',
  'STREAM.RESTORE',
  'STREAM.PEER.REMOVE',
  'STREAM.LEADER.STEPDOWN',
];
/** Of every stream but the work queue, of which workers have consumers. */
const OF_CONSUMERS = [
  ['CONSUMER.CREATE', '.c'],
  ['CONSUMER.CREATE', '.c.tok.>'],
  ['CONSUMER.CREATE', ''],
  ['CONSUMER.DURABLE.CREATE', '.c'],
  ['CONSUMER.DELETE', '.c'],
  ['CONSUMER.INFO', '.c'],
  ['CONSUMER.MSG.NEXT', '.c'],
  ['CONSUMER.PAUSE', '.c'],
  ['CONSUMER.LEADER.STEPDOWN', '.c'],
] as const;
/** Of the account and the servers. */
const OF_ALL = [
  'STREAM.LIST',
  'STREAM.NAMES',
  'ACCOUNT.PURGE.STORE',
  'META.LEADER.STEPDOWN',
  'SERVER.REMOVE',
];
const LIVE = ['live.tok.acme.s.g', 'live.item.acme.s.i'];

/** Every verb of JetStream that no service has, on each stream. */
const VERBS: Readonly<Record<'edge' | 'worker', readonly string[]>> = {
  edge: [
    ...OF_ALL,
    ...STREAMS.flatMap((stream) => OF_STREAMS.map((verb) => `${verb}.${stream}`)),
    ...STREAMS.flatMap((stream) => OF_CONSUMERS.map(([verb, rest]) => `${verb}.${stream}${rest}`)),
    'STREAM.MSG.GET.JOBS',
    'DIRECT.GET.JOBS',
  ],
  worker: [
    ...OF_ALL,
    ...STREAMS.flatMap((stream) => OF_STREAMS.map((verb) => `${verb}.${stream}`)),
    ...STREAMS.filter((stream) => stream !== 'JOBS').flatMap((stream) =>
      OF_CONSUMERS.map(([verb, rest]) => `${verb}.${stream}${rest}`),
    ),
    'CONSUMER.PAUSE.JOBS.c',
    'CONSUMER.LEADER.STEPDOWN.JOBS.c',
  ],
};

test.each(['edge', 'worker'] as const)('the user %s has no verb that changes a stream', async (user) => {
  const nc = await connect({
    ...{ servers: nats.url, user, pass: passwordOf(user), inboxPrefix: `_INBOX_${user}` },
  });
  closers.push(() => nc.close());
  const refused: string[] = [];
  void (async () => {
    for await (const status of nc.status())
      if (status.type === 'error' && status.error instanceof PermissionViolationError)
        refused.push(status.error.subject);
  })();
  const asked = [...VERBS[user].map((verb) => `$JS.API.${verb}`), ...LIVE];
  for (const subject of asked) nc.publish(subject, '{}');
  await waitFor(() => refused.length >= asked.length, { what: `${asked.length} refusals`, timeoutMs: 5_000 });
  expect(refused).toEqual(asked);
});

describe.each(Object.entries(FORBIDDEN))('the user %s', (user, { publish, subscribe }) => {
  let nc: NatsConnection;
  beforeAll(async () => {
    nc = await connect({ servers: nats.url, user, pass: passwordOf(user), inboxPrefix: `_INBOX_${user}` });
  });
  afterAll(() => nc.close());

  const isRefused = (kind: string, subject: string): Promise<unknown> =>
    waitFor(
      () =>
        refusals().some((line) => line.includes(`user:${user}" - ${kind} Violation - Subject "${subject}"`)),
      { what: `the refusal of ${subject}`, timeoutMs: 2_000 },
    );

  test.each(publish)('may not publish to %s', async (subject) => {
    nc.publish(subject, 'x');
    await isRefused('Publish', subject);
  });

  test.each(subscribe)('may not subscribe to %s', async (subject) => {
    nc.subscribe(subject, { callback: () => undefined });
    await isRefused('Subscription', subject);
  });
});

test('nobody connects without a password', async () => {
  await expect(connect({ servers: nats.url })).rejects.toThrow(/authorization/i);
});
