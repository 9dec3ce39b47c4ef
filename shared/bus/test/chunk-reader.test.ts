import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { ChunkWriter } from '@sluice/core';
import { MAX_CHUNK_TOKENS, encodeRecord } from '@sluice/protocol';
import type { GenerationKey, StoredRecord, TokenRecord } from '@sluice/protocol';
import { startNatsServer } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { connect, headers } from 'nats';
import type { NatsConnection } from 'nats';
import { Border } from '../src/border.ts';
import { BusUnavailableError, createNatsBus, readChain } from '../src/index.ts';
import { ChunkReader } from '../src/nats/tokens/chunk-reader.ts';
import { chunkSubject } from '../src/subjects.ts';
import { newKey } from './world.ts';

let server: NatsServer;
let nc: NatsConnection;
/** answers direct gets */
let replica: NatsConnection;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  [nc, replica] = await Promise.all([connect({ servers: server.url }), connect({ servers: server.url })]);
});
afterEach(async () => {
  await Promise.all([nc.close(), replica.close()]);
});

const key = newKey();
const record = (base: number, length: number): TokenRecord => ({
  ...{ v: 2, epoch: 0, attempt: 1, at: 1 },
  ...{ base, tokens: Array.from({ length }, (_, n) => `${base + n}`) },
});
const stored = (chunk: number, length: number): StoredRecord => ({
  ...{ sequence: chunk * 100 + length, chunk },
  record: record(chunk * 32, length),
});
const NEXT = stored(2, 1);

/** What a replica has, one list for each time it is asked; after the last one it has that still. */
const replicaHas = async (
  ...times: readonly (readonly StoredRecord[])[]
): Promise<{ readonly asked: number }> => {
  const seen = { asked: 0 };
  replica.subscribe('$JS.API.DIRECT.GET.TOKENS', {
    callback: (_error, request) => {
      const found = times[Math.min(seen.asked, times.length - 1)] ?? [];
      seen.asked += 1;
      for (const { sequence, chunk, record: content } of found) {
        const head = headers();
        head.set('Nats-Subject', chunkSubject(0, key, chunk));
        head.set('Nats-Sequence', String(sequence));
        request.respond(encodeRecord(content), { headers: head });
      }
      request.respond('', { headers: headers(204, 'EOB') });
    },
  });
  await replica.flush();
  return seen;
};

const readerOf = (leader: readonly StoredRecord[] | undefined, replicas = 3): ChunkReader => {
  const getMessage = (
    _stream: string,
    query: { readonly last_by_subj: string },
  ): Promise<StoredMsg | null> => {
    if (leader === undefined) return Promise.reject(new Error('timeout'));
    const found = leader.find(({ chunk }) => chunkSubject(0, key, chunk) === query.last_by_subj);
    if (found === undefined) return Promise.resolve(null);
    const { sequence: seq, record: content } = found;
    return Promise.resolve({
      subject: query.last_by_subj,
      seq,
      string: () => encodeRecord(content),
    } as StoredMsg);
  };
  const jsm = { streams: { getMessage } } as unknown as JetStreamManager;
  return new ChunkReader(nc, jsm, { replicas, partitions: 1, inboxPrefix: '_INBOX', border: new Border() });
};

const chunksOf = async (reader: ChunkReader): Promise<number[]> =>
  (await reader.before(key, NEXT, 2)).map(({ chunk }) => chunk);

describe('with replicas, chunks', () => {
  const whole = [stored(0, 32), stored(1, 32)];

  test('come from any replica that has them all, without asking the leader', async () => {
    const seen = await replicaHas(whole);
    expect(await chunksOf(readerOf(undefined))).toEqual([0, 1]);
    expect(seen.asked).toBe(1);
  });

  test.each<[string, readonly StoredRecord[]]>([
    ['lacks one', [stored(0, 32)]],
    ['has an earlier record of one', [stored(0, 32), stored(1, 20)]],
    ['lacks all', []],
  ])('are asked for again where a replica that lags %s', async (_, lagging) => {
    const seen = await replicaHas(lagging, lagging, whole);
    expect(await chunksOf(readerOf(whole))).toEqual([0, 1]);
    expect(seen.asked).toBe(3);
  });

  test('are missing only when the leader says so', async () => {
    const seen = await replicaHas([stored(1, 32)]);
    expect(await chunksOf(readerOf([stored(1, 32)]))).toEqual([1]);
    expect(seen.asked).toBe(1);
    await expect(readerOf(undefined).before(key, NEXT, 2)).rejects.toThrow(BusUnavailableError);
  });

  test('that no replica gets are unavailable in the end, not missing', async () => {
    await replicaHas([]);
    await expect(readerOf(whole).before(key, NEXT, 2)).rejects.toThrow(BusUnavailableError);
  });
});

test('on a single server chunks that are missing cost one read', async () => {
  const seen = await replicaHas([]);
  expect(await chunksOf(readerOf(undefined, 1))).toEqual([]);
  expect(seen.asked).toBe(1);
});

test('many long texts at once are read whole: what is asked for at once is bounded', async () => {
  const bus = await createNatsBus({ url: server.url, name: 'chunks' });
  const keys = Array.from({ length: 40 }, newKey);
  const chunk = Array.from({ length: MAX_CHUNK_TOKENS }, () => 'x'.repeat(240));
  const write = async (written: GenerationKey): Promise<StoredRecord> => {
    const writer = new ChunkWriter(1);
    for (let number = 0; number <= 256; number += 1) {
      const outcome = await bus.tokens.append(written, writer.draft(chunk, 1).draft);
      if (outcome.type !== 'stored') throw new Error(outcome.type);
      writer.stored(outcome.sequence);
    }
    return (await bus.tokens.head(written)) as StoredRecord;
  };
  const heads = await Promise.all(keys.map(write));
  const chains = await Promise.all(heads.map((head, n) => readChain(bus.tokens, keys[n] ?? key, head, 0)));
  expect(chains.filter(({ complete, records }) => complete && records.length === 257)).toHaveLength(40);
  await bus.close();
}, 60_000);
