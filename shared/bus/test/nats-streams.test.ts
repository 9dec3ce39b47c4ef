import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DiscardPolicy, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { ChunkWriter } from '@sluice/core';
import { MAX_CHUNK_TOKENS } from '@sluice/protocol';
import { startNatsServer, waitFor } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { StreamMismatchError, createNatsBus } from '../src/index.ts';
import type { Bus } from '../src/index.ts';
import type { NatsOptions } from '../src/nats/connection/connection.ts';
import { partitionOf, tokenStream } from '../src/subjects.ts';
import { newKey, fullnessOf } from './world.ts';
import { readTokens, writeTokens } from './writing.ts';

const MIB = 1024 * 1024;
const SECOND_NS = 1_000_000_000;

const withServer = (run: (server: NatsServer) => Promise<void>) => async () => {
  const server = await startNatsServer();
  try {
    await run(server);
  } finally {
    await server.stop();
  }
};

const openOn = (server: NatsServer, options: Partial<NatsOptions> = {}): Promise<Bus> =>
  createNatsBus({ url: server.url, name: 'streams', ...options });

const withJsm = async <Result>(
  server: NatsServer,
  run: (jsm: JetStreamManager, nc: NatsConnection) => Promise<Result>,
): Promise<Result> => {
  const nc = await connect({ servers: server.url });
  try {
    return await run(await jetstreamManager(nc), nc);
  } finally {
    await nc.close();
  }
};

describe('the streams', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNatsServer();
    await (await openOn(server)).close();
  });
  afterAll(() => server.stop());

  const configOf = (stream: string) =>
    withJsm(server, async (jsm) => (await jsm.streams.info(stream)).config);

  test('are these and no others', async () => {
    const names = await withJsm(server, async (jsm) => {
      const found: string[] = [];
      for await (const name of jsm.streams.names()) found.push(name);
      return found.toSorted();
    });
    const buckets = ['KV_ORGS', 'KV_PROMPTS', 'KV_REVOKED', 'KV_SESSIONS', 'KV_WORKERS'];
    const rest = ['OPEN', 'RATES', 'TOKENS', 'USAGE'];
    expect(names).toEqual(['BODIES', 'CARDS', 'COUNTERS', 'JOBS', ...buckets, ...rest]);
  });

  test.each(['TOKENS', 'KV_SESSIONS', 'KV_PROMPTS', 'KV_WORKERS', 'BODIES', 'OPEN'])(
    '%s lets nobody erase: no rollup, no purge, no deletion',
    async (stream) => {
      const { allow_rollup_hdrs: rollup, deny_purge: purge, deny_delete: deletion } = await configOf(stream);
      expect({ rollup, purge, deletion }).toEqual({ rollup: false, purge: true, deletion: true });
    },
  );

  test.each(['JOBS', 'COUNTERS'])(
    '%s can be purged, and is made anew from items; no rollup',
    async (stream) => {
      expect(await configOf(stream)).toMatchObject({ allow_rollup_hdrs: false, deny_purge: false });
    },
  );

  test('TOKENS keeps the newest record of each chunk for a day, refuses instead of dropping, and republishes', async () => {
    expect(await configOf('TOKENS')).toMatchObject({
      subjects: ['tok.0.*.*.*.*'],
      retention: 'limits',
      storage: 'file',
      discard: 'new',
      max_age: 86_400 * SECOND_NS,
      max_bytes: 1024 * MIB,
      max_msgs: -1,
      max_msgs_per_subject: 1,
      num_replicas: 1,
      allow_direct: true,
      republish: {
        src: 'tok.0.*.*.*.*',
        dest: 'live.tok.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}',
      },
    });
  });

  test('SESSIONS keeps the newest version of an item for a week, and republishes', async () => {
    expect(await configOf('KV_SESSIONS')).toMatchObject({
      subjects: ['$KV.SESSIONS.>'],
      storage: 'file',
      discard: 'new',
      max_age: 7 * 86_400 * SECOND_NS,
      max_bytes: 1024 * MIB,
      max_msgs_per_subject: 1,
      allow_direct: true,
      republish: { src: '$KV.SESSIONS.>', dest: 'live.item.>' },
    });
  });

  test('BODIES keeps each chunk for a day longer than an item, and republishes nothing', async () => {
    const config = await configOf('BODIES');
    expect(config).toMatchObject({
      subjects: ['body.*.*.*.*.*.*'],
      storage: 'file',
      discard: 'new',
      max_age: 8 * 86_400 * SECOND_NS,
      max_bytes: 2048 * MIB,
      max_msgs_per_subject: 1,
      allow_direct: true,
    });
    expect(config.republish).toBeUndefined();
  });

  test('PROMPTS keeps prompts for a day longer than items, and republishes nothing', async () => {
    const config = await configOf('KV_PROMPTS');
    expect(config).toMatchObject({
      storage: 'file',
      discard: 'new',
      max_age: 8 * 86_400 * SECOND_NS,
      max_bytes: 512 * MIB,
      max_msgs_per_subject: 1,
      allow_direct: true,
    });
    expect(config.republish).toBeUndefined();
  });

  test('RATES counts, and forgets after three minutes', async () => {
    expect(await configOf('RATES')).toMatchObject({
      ...{ subjects: ['rate.>'], allow_msg_counter: true, storage: 'file' },
      max_age: 180 * SECOND_NS,
      max_msgs_per_subject: 1,
    });
  });

  test('ORGS keeps what was set for ever, and tells each write', async () => {
    expect(await configOf('KV_ORGS')).toMatchObject({
      ...{ subjects: ['$KV.ORGS.>'], max_age: 0, discard: 'new', deny_delete: true },
      republish: { src: '$KV.ORGS.>', dest: 'live.org.>' },
    });
  });

  test('WORKERS forgets after 10 s, and outlives its server', async () => {
    expect(await configOf('KV_WORKERS')).toMatchObject({
      storage: 'file',
      max_age: 10 * SECOND_NS,
      max_msgs_per_subject: 1,
      allow_direct: true,
    });
  });

  test('OPEN keeps an entry as long as its item, and what is taken off expires', async () => {
    expect(await configOf('OPEN')).toMatchObject({
      ...{ subjects: ['open.*.*.*'], storage: 'file', discard: 'new', max_msgs_per_subject: 1 },
      ...{ max_age: 7 * 86_400 * SECOND_NS, allow_msg_ttl: true, allow_direct: true },
    });
  });

  test('REVOKED keeps each revocation for as long as it says, refuses above 8 MiB, and republishes', async () => {
    expect(await configOf('KV_REVOKED')).toMatchObject({
      ...{ subjects: ['$KV.REVOKED.*'], storage: 'file', discard: 'new', max_msgs_per_subject: 1 },
      ...{ max_age: 366 * 86_400 * SECOND_NS, max_bytes: 8 * MIB, allow_msg_ttl: true, allow_direct: true },
      ...{ deny_delete: true, allow_rollup_hdrs: false },
      republish: { src: '$KV.REVOKED.*', dest: 'live.revoked.{{wildcard(1)}}' },
    });
  });

  test('JOBS is a work queue that keeps a job as long as its item', async () => {
    expect(await configOf('JOBS')).toMatchObject({
      subjects: ['job.*.*.*.*.*', 'own.*.*.*.*.*.*'],
      retention: 'workqueue',
      storage: 'file',
      discard: 'new',
      max_age: 7 * 86_400 * SECOND_NS,
      max_msgs_per_subject: 1,
      discard_new_per_subject: true,
    });
  });

  test('COUNTERS counts, forgets with the items, and makes room by itself', async () => {
    expect(await configOf('COUNTERS')).toMatchObject({
      subjects: ['count.>'],
      allow_msg_counter: true,
      storage: 'file',
      discard: 'old',
      max_age: 7 * 86_400 * SECOND_NS,
      max_msgs_per_subject: 1,
      allow_direct: true,
      duplicate_window: 30 * SECOND_NS,
    });
  });
});

describe('a start', () => {
  test(
    'of many services at once on a new server succeeds, and so does each later one',
    withServer(async (server) => {
      const buses = await Promise.all(Array.from({ length: 6 }, () => openOn(server)));
      buses.push(await openOn(server));
      for (const bus of buses) expect(await fullnessOf(bus)).toBe(0);
      await Promise.all(buses.map((bus) => bus.close()));
    }),
  );

  test(
    'with other settings fails and names each one that differs',
    withServer(async (server) => {
      await (await openOn(server)).close();
      const other = openOn(server, { retention: { tokensMs: 60_000 }, maxBytes: { tokens: 2 * MIB } });
      const error: unknown = await other.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(StreamMismatchError);
      expect((error as Error).message).toMatch(
        /TOKENS.*max_age: expected 60000000000, found 86400000000000; max_bytes: expected 2097152, found 1073741824/,
      );
      await expect(openOn(server, { retention: { jobsMs: 60_000 } })).rejects.toThrow(/JOBS.*max_age/);
      await expect(openOn(server, { maxBytes: { prompts: MIB } })).rejects.toThrow(/KV_PROMPTS.*max_bytes/);
    }),
  );

  test(
    'on the token stream of a release that kept every record says how to move on',
    withServer(async (server) => {
      await withJsm(server, (jsm) =>
        jsm.streams.add({ name: 'TOKENS', subjects: ['tok.0.*.*.*'], discard: DiscardPolicy.New }),
      );
      const error: unknown = await openOn(server).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(StreamMismatchError);
      expect((error as Error).message).toMatch(
        /TOKENS.*subjects: expected \["tok\.0\.\*\.\*\.\*\.\*"\], found \["tok\.0\.\*\.\*\.\*"\]/,
      );
      expect((error as Error).message).toContain(
        'Let its generations end, stop every edge and worker, and delete it: `nats stream rm TOKENS`. ' +
          'Finished answers are kept in SESSIONS.',
      );
    }),
  );

  test(
    'accepts a stream whose other settings an operator has changed',
    withServer(async (server) => {
      await (await openOn(server)).close();
      await withJsm(server, (jsm) => jsm.streams.update('TOKENS', { description: 'the token log' }));
      await (await openOn(server)).close();
    }),
  );

  test(
    'notices a republish that was changed, and not the order of its fields',
    withServer(async (server) => {
      await (await openOn(server)).close();
      await withJsm(server, (jsm) =>
        jsm.streams.update('KV_SESSIONS', {
          description: 'forces a comparison of settings',
          republish: { dest: 'live.item.>', src: '$KV.SESSIONS.>' },
        }),
      );
      await (await openOn(server)).close();
      await withJsm(server, (jsm) =>
        jsm.streams.update('KV_SESSIONS', { republish: { src: '$KV.SESSIONS.>', dest: 'elsewhere.>' } }),
      );
      await expect(openOn(server)).rejects.toThrow(/KV_SESSIONS.*republish: .*elsewhere/);
    }),
  );
});

describe('a stream that is full', () => {
  test(
    'refuses new records as a limit, keeps the old ones, and the link tells how full it is',
    withServer(async (server) => {
      const bus = await openOn(server, { maxBytes: { tokens: MIB } });
      const text = 'x'.repeat(10_000);
      const fill = async (): Promise<number> => {
        for (let stored = 0; ; stored += 1) {
          const outcome = await bus.tokens.append(newKey(), new ChunkWriter(1).draft([text], 1).draft);
          if (outcome.type === 'limit') return stored;
          expect(outcome.type).toBe('stored');
        }
      };
      const first = newKey();
      await bus.tokens.append(first, new ChunkWriter(1).draft(['first'], 1).draft);
      expect(await fill()).toBeGreaterThan(50);
      expect(await bus.tokens.head(first)).toMatchObject({ record: { tokens: ['first'] } });
      expect(await fullnessOf(bus)).toBeGreaterThan(0.9);
      await bus.close();
    }),
  );
});

describe('four partitions', () => {
  test(
    'spread the sessions, and each log is whole in its own',
    withServer(async (server) => {
      const bus = await openOn(server, { partitions: 4 });
      const keys = Array.from({ length: 60 }, newKey);
      const used = new Map<number, number>();
      for (const key of keys) {
        const partition = partitionOf(key, 4);
        used.set(partition, (used.get(partition) ?? 0) + 1);
        let live = '';
        const tail = await bus.tokens.tail(key, {
          record: (id) => (live = id),
          item: () => undefined,
        });
        const tokens = Array.from({ length: MAX_CHUNK_TOKENS + 1 }, (_, n) => `${key.session} ${n}`);
        await writeTokens(bus.tokens, key, tokens);
        expect(await readTokens(bus.tokens, key)).toEqual(tokens);
        await waitFor(() => live === key.generation, { what: 'the live record' });
        tail.close();
      }
      expect([...used.keys()].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
      for (const [partition, sessions] of used) {
        const { state } = await withJsm(server, (jsm) => jsm.streams.info(tokenStream(partition)));
        expect(state.messages).toBe(sessions * 2);
      }
      await bus.close();
    }),
  );
});
