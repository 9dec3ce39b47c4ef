/** What somebody does with the NATS password of an edge or a worker, on a server with deploy/nats/users.conf. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { createNatsBus } from '@sluice/bus';
import { ChunkWriter } from '@sluice/core';
import { Queue } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { connect, headers } from 'nats';
import type { NatsConnection } from 'nats';
import { keyOf } from '../support/clients.ts';
import { passwordOf, startShippedNats } from '../support/shipped-users.ts';

const ITEMS = 20;
/** Nothing must happen for this long after an attack that the server answers nothing to, ms. */
const QUIET_MS = 300;

let nats: NatsServer;
let jsm: JetStreamManager;
const closers: (() => unknown)[] = [];

const connectAs = async (user: string): Promise<NatsConnection> => {
  const login = { user, pass: passwordOf(user), inboxPrefix: `_INBOX_${user}` };
  const nc = await connect({ servers: nats.url, ...login });
  closers.push(() => nc.close());
  return nc;
};

/** How many messages each stream holds; a stream that is gone is not among them. */
const stored = async (): Promise<Record<string, number>> => {
  const found: Record<string, number> = {};
  for await (const { config, state } of jsm.streams.list()) found[config.name] = state.messages;
  return found;
};

beforeAll(async () => {
  nats = await startShippedNats();
  closers.push(() => nats.stop());
  jsm = await jetstreamManager(await connectAs('admin'));
  const edge = { user: 'edge', password: passwordOf('edge') };
  const bus = await createNatsBus({ url: nats.url, name: 'edge', ...edge });
  closers.push(() => bus.close());
  for (let at = 1; at <= ITEMS; at += 1)
    await bus.sessions.createItem(keyOf(`s${at}`, 'none'), {
      ...{ id: `m${at}`, kind: 'message', user: 'ann', createdAt: at, text: 'kept' },
    });
  await bus.tokens.append(keyOf('s1', 'g'), new ChunkWriter(1).draft(['forged'], 1).draft);
});
afterAll(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const DELETE = '$JS.API.STREAM.DELETE.KV_SESSIONS';
const PURGE = '$JS.API.STREAM.PURGE.KV_SESSIONS';
const RECORD = '$JS.API.DIRECT.GET.TOKENS.tok.0.acme.s1.g.0';
const NOTHING = '$JS.API.DIRECT.GET.TOKENS.tok.0.acme.none.g.0';
const EMPTY = '$JS.API.DIRECT.GET.KV_SESSIONS';
const NEXT = '$JS.API.CONSUMER.MSG.NEXT.JOBS.mine';

/**
 * JetStream sends its answer to whatever subject a request names for it, with its own rights: so a request that is
 * allowed, with a forbidden subject as its reply subject. An answer without a body deletes a stream.
 */
const RELAYED: Readonly<Record<'edge' | 'worker', readonly (readonly [string, string, string])[]>> = {
  edge: [
    [NOTHING, '', DELETE],
    [EMPTY, '{"seq":99999}', DELETE],
    [EMPTY, '{"multi_last":["none.>"]}', DELETE],
    [EMPTY, '{}', DELETE],
    [RECORD, '', PURGE],
    [RECORD, '', '$KV.WORKERS.w'],
    ['$JS.API.STREAM.INFO.TOKENS', '', PURGE],
    ['$JS.API.STREAM.MSG.GET.TOKENS', '{"seq":1}', DELETE],
    ['tok.0.acme.s2.g.0', '', DELETE],
  ],
  worker: [
    [NOTHING, '', DELETE],
    [EMPTY, '{"seq":99999}', DELETE],
    [EMPTY, '{"multi_last":["none.>"]}', DELETE],
    [EMPTY, '{}', DELETE],
    [RECORD, '', PURGE],
    [RECORD, '', '$KV.PROMPTS.acme.s.g'],
    [NEXT, '{"batch":1,"no_wait":true}', DELETE],
    [NEXT, 'none', DELETE],
    ['$JS.ACK.JOBS.mine.1.1.1.1.0', '', DELETE],
    ['$JS.API.CONSUMER.INFO.JOBS.mine', '', PURGE],
  ],
};

const BOTH = [
  '$KV.SESSIONS.evil.s.i',
  'tok.0.evil.s.g.0',
  'open.evil.s.g',
  'job.bQ.evil.s.g.1',
  'count.evil.bytes',
];
/** A subject of each stream that each may publish to. */
const WRITABLE: Readonly<Record<'edge' | 'worker', readonly string[]>> = {
  edge: [...BOTH, '$KV.PROMPTS.evil.s.g', 'body.evil.s.g.prompt.0123456789abcdef.0'],
  worker: [...BOTH, '$KV.WORKERS.evil', 'body.evil.s.g.answer.0123456789abcdef.0'],
};

describe.each(['edge', 'worker'] as const)('with the password of the %s', (user) => {
  let thief: NatsConnection;
  let before: Record<string, number>;
  beforeAll(async () => {
    thief = await connectAs(user);
    if (user === 'worker') await thief.request('$JS.API.CONSUMER.CREATE.JOBS.mine', CONSUMER);
  });
  beforeEach(async () => {
    before = await stored();
  });

  test.each(WRITABLE[user])('a rollup on %s erases nothing', async (subject) => {
    for (const kind of ['all', 'sub']) {
      const rollup = headers();
      rollup.set('Nats-Rollup', kind);
      const sent = jetstream(thief).publish(subject, '', { headers: rollup });
      const answer = await sent.then(() => 'stored', String);
      expect(await stored()).toEqual(before);
      expect(answer).toMatch(/rollup not permitted|message counter/);
    }
  });

  test.each(RELAYED[user])('%s %s, to be answered on %s, reaches nothing', async (subject, body, reply) => {
    thief.publish(subject, body, { reply });
    await thief.flush();
    await quiet();
    const after = await stored();
    // The one attack that is a record of its own.
    if (subject.startsWith('tok.')) expect(after).toEqual({ ...before, TOKENS: (before['TOKENS'] ?? 0) + 1 });
    else expect(after).toEqual(before);
  });
});

const CONSUMER = JSON.stringify({
  stream_name: 'JOBS',
  config: { durable_name: 'mine', ack_policy: 'explicit', filter_subject: 'job.evil.>' },
});

/** Nothing tells that an attack had no effect. */
const quiet = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, QUIET_MS));

// What remains, and is said in SECURITY.md.
test('what a stolen password can do: write over an item, append to a log, and speak live as the store', async () => {
  const [edge, thief] = await Promise.all([connectAs('edge'), connectAs('worker')]);
  const before = await stored();
  await jetstream(thief).publish('$KV.SESSIONS.acme.s2.m2', '');
  await jetstream(thief).publish('tok.0.acme.s1.g.1', 'forged');
  expect(await stored()).toEqual({ ...before, TOKENS: (before['TOKENS'] ?? 0) + 1 });
  const written = await jsm.streams.getMessage('KV_SESSIONS', { last_by_subj: '$KV.SESSIONS.acme.s2.m2' });
  expect(written?.string()).toBe('');
  const shown = new Queue<string>();
  edge.subscribe('live.tok.acme.s.g', { callback: (_error, message) => shown.push(message.string()) });
  await edge.flush();
  thief.publish('$JS.API.DIRECT.GET.TOKENS.tok.0.acme.s1.g.1', '', { reply: 'live.tok.acme.s.g' });
  expect(await shown.next()).toBe('forged');
});
