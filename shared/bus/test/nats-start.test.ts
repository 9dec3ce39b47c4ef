import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { ChunkWriter } from '@sluice/core';
import { parseRecord } from '@sluice/protocol';
import { Queue, freePort, startNatsServer, withTimeout } from '@sluice/testkit';
import type { NatsServer, NatsServerOptions } from '@sluice/testkit';
import { connect } from 'nats';
import {
  BusUnavailableError,
  RESTORE_MARK,
  RefusedLoginError,
  UnsupportedServerError,
  createNatsBus,
} from '../src/index.ts';
import type { Bus } from '../src/index.ts';
import type { NatsOptions } from '../src/nats/connection/connection.ts';
import { newKey, fullnessOf } from './world.ts';

const withServer = (options: NatsServerOptions, run: (server: NatsServer) => Promise<void>) => async () => {
  const server = await startNatsServer(options);
  try {
    await run(server);
  } finally {
    await server.stop();
  }
};

const open = (url: string, options: Partial<NatsOptions> = {}): Promise<Bus> =>
  createNatsBus({ url, name: 'start', ...options });

/** Greets like a nats-server of some version, and answers pings. */
const startImpostor = async (version: string): Promise<{ url: string; server: Server }> => {
  const info = { server_id: 'x', version, headers: true, max_payload: 1_048_576, jetstream: true, proto: 1 };
  const server = createServer((socket) => {
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on('data', (bytes) => {
      if (bytes.includes('PING')) socket.write('PONG\r\n');
    });
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
};

describe('a start is refused', () => {
  test.each(['2.10.29', '1.4.1'])('by a server of version %s', async (version) => {
    const { url, server } = await startImpostor(version);
    try {
      const opening = open(url);
      await expect(opening).rejects.toThrow(UnsupportedServerError);
      await expect(opening).rejects.toThrow(`expected nats-server 2.12 or later, got ${version}`);
    } finally {
      server.close();
    }
  });

  test(
    'at once by a server without JetStream',
    withServer({ config: 'jetstream: disabled' }, async ({ url }) => {
      const opening = withTimeout(open(url), 5_000, 'the refusal');
      await expect(opening).rejects.toThrow(UnsupportedServerError);
      await expect(opening).rejects.toThrow(/expected a nats-server with JetStream/);
    }),
  );

  test(
    'at once by an account without JetStream',
    withServer({ config: 'accounts { A { users: [{ user: a, password: pw }] } }' }, async ({ url }) => {
      const opening = withTimeout(open(url, { user: 'a', password: 'pw' }), 5_000, 'the refusal');
      await expect(opening).rejects.toThrow(UnsupportedServerError);
    }),
  );

  test(
    'at once with a wrong password',
    withServer({ config: 'authorization { user: a, password: pw }' }, async ({ url }) => {
      const opening = withTimeout(open(url, { user: 'a', password: 'no' }), 5_000, 'it');
      await expect(opening).rejects.toThrow(RefusedLoginError);
      await expect(opening).rejects.toThrow(/authorization/i);
    }),
  );

  test('after 10 s when there is no server', async () => {
    const opening = open(`nats://127.0.0.1:${await freePort()}`);
    await expect(opening).rejects.toThrow(BusUnavailableError);
  }, 20_000);
});

test('a start waits for a server that comes up later', async () => {
  const port = await freePort();
  const opening = open(`nats://127.0.0.1:${port}`);
  const server = await startNatsServer({ port });
  const bus = await opening;
  expect(bus.link.connected).toBe(true);
  await bus.close();
  await server.stop();
}, 20_000);

test(
  'a user may use every part of the bus with reply subjects of its own prefix only',
  withServer(
    {
      config: `authorization { users: [{ user: edge, password: pw, permissions: {
        publish: ">", subscribe: { allow: ["_INBOX_edge.>", "live.>", "ctl.>", "pres.>"] } } }] }`,
    },
    async ({ url }) => {
      const errors: Error[] = [];
      const options = { url, name: 'permissions', user: 'edge', password: 'pw' };
      const bus = await createNatsBus(options, (error) => errors.push(error));
      const key = newKey();
      const records = new Queue<unknown>();
      await bus.tokens.tail(key, { record: (_id, record) => records.push(record), item: () => undefined });
      const { draft } = new ChunkWriter(1).draft(['a'], 1);
      const outcome = await bus.tokens.append(key, draft);
      expect(outcome.type).toBe('stored');
      expect(await records.next()).toMatchObject({ tokens: ['a'] });
      const head = await bus.tokens.head(key);
      const next = { sequence: 9, chunk: 1, record: { ...parseRecord(draft.payload), base: 1 } };
      expect(await bus.tokens.before(key, next, 1)).toEqual([head]);
      const item = { id: 'i', kind: 'message', user: 'u', createdAt: 1, text: 't' } as const;
      const rev = await bus.sessions.createItem(key, item);
      expect(await bus.sessions.updateItem(key, { ...item, text: 'b' }, rev ?? 0)).toBeDefined();
      expect((await bus.sessions.items(key, 0)).items).toHaveLength(1);
      const prompt = { hash: 'h', user: 'u', createdAt: 1, body: { model: 'm', input: 'hi' } };
      expect(await bus.sessions.createPrompt(key, prompt)).toMatchObject({ created: true });
      const job = { ...key, model: 'm', attempt: 1 };
      await bus.jobs.publish(job);
      const delivery = await bus.jobs.pull('m', 2_000, new AbortController().signal);
      expect(delivery?.job).toEqual(job);
      await delivery?.ack();
      await bus.workers.announce({ worker: 'w', models: ['m'], slots: 1, running: [] });
      expect(await bus.workers.list()).toHaveLength(1);
      const control = { ack: () => undefined, cancel: () => ({ type: 'cancelling', attempt: 1 }) as const };
      await bus.control.serve(key, control);
      expect(await bus.control.cancel(key, 'u')).toEqual({ type: 'cancelling', attempt: 1 });
      expect(await fullnessOf(bus)).toBeGreaterThan(0);
      expect(errors).toEqual([]);
      await bus.close();
    },
  ),
);

test(
  'a subscription the server refuses fails and is reported, and the link stays',
  withServer(
    {
      config: `authorization { users: [{ user: edge, password: pw, permissions: {
        publish: ">", subscribe: { allow: ["_INBOX_edge.>"] } } }] }`,
    },
    async ({ url }) => {
      const errors = new Queue<Error>();
      const options = { url, name: 'permissions', user: 'edge', password: 'pw' };
      const bus = await createNatsBus(options, (error) => errors.push(error));
      const listener = { record: () => undefined, item: () => undefined };
      await expect(bus.tokens.tail(newKey(), listener)).rejects.toThrow(BusUnavailableError);
      expect((await errors.next()).message).toMatch(/permissions violation/i);
      expect(bus.link.connected).toBe(true);
      await bus.close();
    },
  ),
);

test(
  'a stream that is marked as restored is another store, and no reason to refuse a start',
  withServer({}, async ({ url }) => {
    const before = await open(url);
    const { store } = await before.sessions.store();
    const nc = await connect({ servers: url });
    const jsm = await jetstreamManager(nc);
    await jsm.streams.update('KV_SESSIONS', { metadata: { [RESTORE_MARK]: 'at noon' } });
    const after = await open(url);
    const marked = await after.sessions.store();
    expect(marked.store).toBe(`${store}-at_noon`);
    expect(await before.sessions.store()).toEqual(marked);
    await jsm.streams.delete('KV_SESSIONS');
    await (await open(url)).close();
    expect((await before.sessions.store()).store).not.toBe(store);
    await Promise.all([before.close(), after.close(), nc.close()]);
  }),
);

describe('the packages', () => {
  const require = createRequire(import.meta.url);
  const versionOf = (name: string): string => {
    const entry = require.resolve(name);
    const directory = entry.slice(0, entry.lastIndexOf(`/${name}/`) + name.length + 1);
    return (JSON.parse(readFileSync(`${directory}/package.json`, 'utf8')) as { version: string }).version;
  };

  test.each(['@nats-io/jetstream', '@nats-io/kv', '@nats-io/nats-core'])(
    '`nats` and %s have one version',
    (name) => expect(versionOf(name)).toBe(versionOf('nats')),
  );

  test(
    'work together: a consumer gets what was published',
    withServer({}, async ({ url }) => {
      const nc = await connect({ servers: url });
      const jsm = await jetstreamManager(nc);
      await jsm.streams.add({ name: 'CHECK', subjects: ['check'] });
      await jsm.consumers.add('CHECK', { durable_name: 'c', ack_policy: AckPolicy.Explicit });
      await jetstream(nc).publish('check', 'hello');
      const consumer = await jetstream(nc).consumers.get('CHECK', 'c');
      const found = await consumer.next({ expires: 2_000 });
      expect(found?.string()).toBe('hello');
      expect(await found?.ackAck()).toBe(true);
      await nc.close();
    }),
  );
});
