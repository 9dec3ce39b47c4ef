/** What somebody does with the NATS password of an edge or a worker, on a server with deploy/nats/users.conf. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { createNatsBus } from '@sluice/bus';
import { startNatsServer } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { connect, headers } from 'nats';
import type { NatsConnection } from 'nats';
import { keyOf } from '../support/clients.ts';

const users = readFileSync(new URL('../../deploy/nats/users.conf', import.meta.url), 'utf8');
const passwordOf = (user: string): string => `${user}-pw`;
const passwords = ['edge', 'worker', 'admin'].map(
  (user) => `NATS_${user.toUpperCase()}_PASSWORD: ${passwordOf(user)}`,
);
const ITEMS = 20;
const STREAMS = ['TOKENS', 'KV_SESSIONS', 'KV_PROMPTS', 'KV_WORKERS', 'BODIES', 'OPEN', 'JOBS', 'COUNTERS'];
const DELETE = '$JS.API.STREAM.DELETE.KV_SESSIONS';
const PURGE = '$JS.API.STREAM.PURGE.KV_SESSIONS';

let nats: NatsServer;
let jsm: JetStreamManager;
const closers: (() => unknown)[] = [];

const connectAs = async (user: string): Promise<NatsConnection> => {
  const login = { user, pass: passwordOf(user), inboxPrefix: `_INBOX_${user}` };
  const nc = await connect({ servers: nats.url, ...login });
  closers.push(() => nc.close());
  return nc;
};

/** How many items are stored; undefined where their stream is gone. */
const itemsLeft = async (): Promise<number | undefined> => {
  const found = await jsm.streams.info('KV_SESSIONS').catch(() => undefined);
  return found?.state.messages;
};

beforeAll(async () => {
  nats = await startNatsServer({ config: [...passwords, users].join('\n') });
  closers.push(() => nats.stop());
  jsm = await jetstreamManager(await connectAs('admin'));
  const login = { user: 'admin', password: passwordOf('admin') };
  const bus = await createNatsBus({ url: nats.url, name: 'admin', ...login });
  closers.push(() => bus.close());
  for (let at = 1; at <= ITEMS; at += 1)
    await bus.sessions.createItem(keyOf(`s${at}`, 'none'), {
      ...{ id: `m${at}`, kind: 'message', user: 'ann', createdAt: at, text: 'kept' },
    });
});
afterAll(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const SUBJECTS = {
  edge: '$KV.SESSIONS.evil.s.i',
  worker: '$KV.SESSIONS.evil.s.i',
} as const;

describe.each(Object.entries(SUBJECTS))('with the password of the %s', (user, subject) => {
  let thief: NatsConnection;
  beforeAll(async () => {
    thief = await connectAs(user);
  });

  test.each(['all', 'sub'])('a rollup of `%s` erases nothing', async (kind) => {
    const rollup = headers();
    rollup.set('Nats-Rollup', kind);
    const sent = jetstream(thief).publish(subject, '', { headers: rollup });
    const answer = await sent.then(() => 'stored', String);
    expect(await itemsLeft()).toBe(ITEMS);
    expect(answer).toMatch(/rollup not permitted/);
  });
});
