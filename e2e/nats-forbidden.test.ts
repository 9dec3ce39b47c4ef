/** What deploy/nats/users.conf refuses to each user. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { PermissionViolationError, connect } from 'nats';
import type { NatsConnection } from 'nats';
import { passwordOf, refusalsOf, startShippedNats } from './support/shipped-users.ts';

let nats: NatsServer;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  nats = await startShippedNats();
  closers.push(() => nats.stop());
});
afterAll(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

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
        refusalsOf(nats).some((line) =>
          line.includes(`user:${user}" - ${kind} Violation - Subject "${subject}"`),
        ),
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
