import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { ChunkWriter } from '@sluice/core';
import type { GenerationKey, Token } from '@sluice/protocol';
import { deferred, startNatsCluster, waitFor } from '@sluice/testkit';
import type { NatsCluster, NatsServer } from '@sluice/testkit';
import { connect } from 'nats';
import { createNatsBus } from '../src/index.ts';
import type { Bus, ItemBody } from '../src/index.ts';
import { chunkSubject } from '../src/subjects.ts';
import { newKey } from './world.ts';
import {
  answered,
  chunksFor,
  chunksOf,
  readTokens,
  scanTokens,
  writeRecord,
  writeTokens,
} from './writing.ts';

let cluster: NatsCluster;
/** one per server, so that reads come from leaders and followers */
let buses: readonly Bus[];
beforeAll(async () => {
  cluster = await startNatsCluster(3);
  buses = await Promise.all(
    cluster.urls.map((url) => createNatsBus({ url, name: 'cluster', replicas: 3, ackWaitMs: 2_000 })),
  );
}, 60_000);
afterAll(async () => {
  await Promise.all(buses.map((bus) => bus.close()));
  await cluster.stop();
}, 30_000);

const busAt = (n: number): Bus => buses[n % buses.length] as Bus;

const leaderOf = async (stream: string): Promise<NatsServer> => {
  const nc = await connect({ servers: [...cluster.urls] });
  try {
    const jsm = await jetstreamManager(nc);
    const leader = await waitFor(async () => (await jsm.streams.info(stream)).cluster?.leader, {
      what: `a leader of ${stream}`,
    });
    return cluster.servers[Number(leader.slice(1)) - 1] as NatsServer;
  } finally {
    await nc.close();
  }
};

const message = (id: string, text: string): ItemBody => ({
  id,
  kind: 'message',
  user: 'u',
  createdAt: 1,
  text,
});

// What is claimed here is what a server says, not that it never elects: a busy machine may bring that about.
const append = async (
  bus: Bus,
  key: GenerationKey,
  writer: ChunkWriter,
  tokens: Token[] = ['x'],
): Promise<number> => {
  const sequence = await writeRecord(bus.tokens, key, writer.draft(tokens, 1).draft);
  if (sequence === undefined) throw new Error('expected stored, got fenced');
  writer.stored(sequence);
  return sequence;
};
const headAt = (n: number, key: GenerationKey) => answered(() => busAt(n).tokens.head(key));
const itemsAt = (n: number, key: GenerationKey, since: number) =>
  answered(() => busAt(n).sessions.items(key, since));

test('a head is read from the leader: whatever was acked is seen by every server at once', async () => {
  const key = newKey();
  expect(await headAt(0, key)).toBeUndefined();
  const writer = new ChunkWriter(1);
  for (let n = 0; n < 200; n += 1) {
    const sequence = await append(busAt(n), key, writer);
    const heads = await Promise.all(buses.map((_bus, at) => headAt(at, key)));
    expect(heads.map((head) => head?.sequence)).toEqual(buses.map(() => sequence));
  }
});

test('a listing holds whatever was stored before it began', async () => {
  const key = newKey();
  for (let n = 0; n < 100; n += 1) {
    const rev = await busAt(n).sessions.createItem(key, message(`${n}`, 't'));
    const page = await itemsAt(n + 1, key, 0);
    expect(page.rev).toBe(rev);
    expect(page.items).toHaveLength(n + 1);
    expect(await itemsAt(n + 2, key, rev ?? 0)).toMatchObject({ items: [], more: false });
  }
});

test('of 50 prompts, and of 50 claims, at once exactly one wins', async () => {
  const key = newKey();
  const all = Array.from({ length: 50 }, (_, n) => n);
  const prompts = await Promise.all(
    all.map((n) =>
      busAt(n).sessions.createPrompt(key, {
        hash: `${n}`,
        user: 'u',
        createdAt: 1,
        body: { model: 'm', input: 'hi' },
      }),
    ),
  );
  expect(prompts.filter(({ created }) => created)).toHaveLength(1);
  expect(new Set(prompts.map(({ entry }) => entry?.hash)).size).toBe(1);
  const rev = await busAt(0).sessions.createItem(key, message('i', 'queued'));
  const claims = await Promise.all(
    all.map((n) => busAt(n).sessions.updateItem(key, message('i', `w${n}`), rev ?? 0)),
  );
  expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
});

test('of 600 increments through three servers each gets a value of its own, and of 30 begins one counts', async () => {
  const name = { ...newKey(), unit: 'items' } as const;
  const begun = await Promise.all(
    Array.from({ length: 30 }, (_, n) => busAt(n % 3).counters.begin(name, 100)),
  );
  expect(begun.filter(Boolean)).toHaveLength(1);
  const adding = Array.from({ length: 600 }, (_, n) => busAt(n % 3).counters.add(name, 1));
  expect(new Set(await Promise.all(adding)).size).toBe(600);
  for (const n of [0, 1, 2]) expect((await busAt(n).counters.read(name))?.value).toBe(700);
});

test('a job published by three at once is delivered once', async () => {
  const job = { ...newKey(), model: 'cluster', attempt: 1 };
  await Promise.all([0, 1, 2, 3, 4, 5].map((n) => busAt(n).jobs.publish(job)));
  const never = new AbortController().signal;
  const delivery = await busAt(0).jobs.pull('cluster', 5_000, never);
  expect(delivery?.job).toEqual(job);
  await delivery?.ack();
  expect(await busAt(1).jobs.pull('cluster', 300, never)).toBeUndefined();
});

test('a pull that is aborted at any server loses no job', async () => {
  const never = new AbortController().signal;
  await Promise.all(buses.map((bus) => bus.jobs.pull('aborts', 1_000, never)));
  for (let n = 0; n < 30; n += 1) {
    const job = { ...newKey(), model: 'aborts', attempt: 1 };
    const abort = new AbortController();
    const pulling = busAt(n).jobs.pull('aborts', 60_000, abort.signal);
    const published = busAt(n + 1).jobs.publish(job);
    setTimeout(() => abort.abort(), n % 5);
    const caught = await pulling;
    await published;
    // Far below the ack wait, after which a lost one would come.
    const delivery = caught ?? (await busAt(n + 2).jobs.pull('aborts', 5_000, never));
    expect(delivery?.job).toEqual(job);
    await delivery?.ack();
  }
}, 60_000);

test('a job that all publish at once is in the queue once', async () => {
  const never = new AbortController().signal;
  const job = { ...newKey(), model: 'once', attempt: 1 };
  await Promise.all(buses.flatMap(({ jobs }) => [jobs.publish(job), jobs.publish(job)]));
  expect((await busAt(0).jobs.pull('once', 5_000, never))?.job).toEqual(job);
  await busAt(1).jobs.publish(job);
  expect(await busAt(2).jobs.pull('once', 1_000, never)).toBeUndefined();
});

test('the own queue of a worker that is gone moves, whoever adopts it and however often', async () => {
  const never = new AbortController().signal;
  const jobs = Array.from({ length: 30 }, () => ({ ...newKey(), model: 'adopted', attempt: 1 }));
  await Promise.all(jobs.map((job, n) => busAt(n).jobs.publish(job, 'gone')));
  for (let n = 0; n < 5; n += 1) await busAt(n).jobs.pullOwn('gone', 5_000, never);
  await Promise.allSettled(buses.map((bus) => bus.jobs.adopt('gone')));
  await busAt(1).jobs.adopt('gone');
  expect(await busAt(0).jobs.owners()).not.toContain('gone');
  const moved: string[] = [];
  for (let n = 0; n < jobs.length; n += 1) {
    const delivery = await busAt(n).jobs.pull('adopted', 5_000, never);
    moved.push(delivery?.job.generation ?? '');
    await delivery?.ack();
  }
  expect(moved.toSorted()).toEqual(jobs.map(({ generation }) => generation).toSorted());
}, 60_000);

// Under load a follower lags by milliseconds: a direct get right after the leader's ack is stale now and then.
const LOAD = Array.from({ length: 100 }, newKey);
const ROUNDS = 30;

const leaderIndex = async (stream: string): Promise<number> =>
  cluster.servers.indexOf(await leaderOf(stream));

test('under load a text is read whole by every server as soon as its head is acked', async () => {
  const leader = await leaderIndex('TOKENS');
  const group = Array.from({ length: 8 }, (_, n) => `${n} `);
  const write = async (key: GenerationKey): Promise<void> => {
    const writer = new ChunkWriter(1);
    for (let round = 1; round <= ROUNDS; round += 1) {
      const sequence = await append(busAt(leader), key, writer, group);
      const text = await answered(() => readTokens(busAt(leader + 1).tokens, key));
      expect(text).toHaveLength(round * group.length);
      if (round % 5 === 0) expect((await headAt(leader + 2, key))?.sequence).toBe(sequence);
    }
  };
  await Promise.all(LOAD.map(write));
}, 60_000);

test('under load a listing holds what was acked before it began', async () => {
  const leader = await leaderIndex('KV_SESSIONS');
  const write = async (key: GenerationKey): Promise<void> => {
    let rev = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const since = rev;
      rev = (await busAt(leader).sessions.createItem(key, message(`${round}`, 't'))) ?? 0;
      expect((await itemsAt(leader + 1, key, since)).rev).toBe(rev);
    }
  };
  await Promise.all(LOAD.map(write));
}, 60_000);

test('the loss of the leader costs time, and no token is lost, doubled or out of order', async () => {
  const keys = Array.from({ length: 15 }, newKey);
  const tokens = Array.from({ length: 200 }, (_, n) => `${n} `);
  const some = deferred<void>();
  let newest = 0;
  let gap = 0;
  const onStored = (count: number): void => {
    const now = performance.now();
    if (newest > 0) gap = Math.max(gap, now - newest);
    newest = now;
    if (count === 30) some.resolve();
  };
  const leader = await leaderOf('TOKENS');
  // As services should: what a client only learned from a server, it forgets when that server loses sight of it.
  const all = { url: cluster.urls.join(','), name: 'writers', replicas: 3 };
  const writers = await Promise.all(buses.map(() => createNatsBus(all)));
  const writing = keys.map((key, n) =>
    writeTokens((writers[n % writers.length] as Bus).tokens, key, tokens, onStored),
  );
  await some.promise;
  await leader.kill('SIGKILL');
  const written = await Promise.all(writing);
  await Promise.all(writers.map((bus) => bus.close()));
  console.info(`no record was stored for ${(gap / 1_000).toFixed(1)} s after the leader was killed`);
  await leader.restart();
  // While it catches up, a reader sees records there that later ones have replaced.
  await cluster.healthy();
  expect(written.filter(({ fenced }) => fenced)).toEqual([]);
  expect(gap).toBeLessThan(12_000);
  await waitFor(() => buses.every((bus) => bus.link.connected), { what: 'every bus to be connected' });
  for (const key of keys) expect(await readTokens(busAt(0).tokens, key)).toEqual(tokens);
  const stored = await scanTokens(cluster.urls[0] ?? '');
  for (const key of keys) expect(chunksOf(stored, key)).toEqual(chunksFor(tokens.length));
}, 90_000);

// The last one: others read all that the stream holds.
test('what is no record in a log hides none that is, on any server', async () => {
  const stranger = await connect({ servers: [...cluster.urls] });
  const publish = (key: GenerationKey): Promise<unknown> =>
    answered(() => jetstream(stranger).publish(chunkSubject(0, key, 1), '{}'));
  for (let round = 0; round < 20; round += 1) {
    const key = newKey();
    const writer = new ChunkWriter(1);
    await publish(key);
    for (let n = 0; n < 5; n += 1) {
      const sequence = await append(busAt(n + round), key, writer);
      await publish(key);
      await publish(key);
      expect((await headAt(n + round + 1, key))?.sequence).toBe(sequence);
    }
    expect(await readTokens(busAt(round).tokens, key)).toHaveLength(5);
  }
  await stranger.close();
});
