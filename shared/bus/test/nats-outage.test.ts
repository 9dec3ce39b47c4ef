import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { parseRecord } from '@sluice/protocol';
import type { TokenRecord } from '@sluice/protocol';
import { ChunkWriter } from '@sluice/core';
import { measured, Queue, deferred, startNatsServer, waitFor, withTimeout } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { BusUnavailableError, createNatsBus } from '../src/index.ts';
import type { Bus } from '../src/index.ts';
import { newKey } from './world.ts';
import { chunksFor, chunksOf, readTokens, scanTokens, writeTokens } from './writing.ts';

const draft = (text = 'a') => new ChunkWriter(1).draft([text], 1).draft;

const elapsed = async (run: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await run();
  return performance.now() - start;
};

const recordsOf = async (bus: Bus, key: ReturnType<typeof newKey>): Promise<Queue<TokenRecord>> => {
  const records = new Queue<TokenRecord>();
  await bus.tokens.tail(key, {
    record: (_generation, record) => records.push(record),
    item: () => undefined,
  });
  return records;
};

let server: NatsServer;
let bus: Bus;
beforeAll(async () => {
  // A crash may take what was not yet synced, but never what the test counts on: kill -9 keeps the page cache.
  server = await startNatsServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  bus = await createNatsBus({ url: server.url, name: 'outage' });
});
afterEach(async () => {
  await bus.close();
});

const untilConnected = (wanted: boolean, timeoutMs = 10_000): Promise<boolean> =>
  waitFor(() => bus.link.connected === wanted, {
    timeoutMs,
    what: `the link to be ${wanted ? '' : 'dis'}connected`,
  });

describe('a nats-server killed and restarted during appends', () => {
  test('costs nothing: no token is lost, doubled or out of order', async () => {
    const keys = Array.from({ length: 20 }, newKey);
    const tokens = Array.from({ length: 400 }, (_, n) => `t${n} `);
    const half = deferred<void>();
    const writing = keys.map((key) =>
      writeTokens(bus.tokens, key, tokens, (count) => {
        if (count === 100) half.resolve();
      }),
    );
    await half.promise;
    await server.kill('SIGKILL');
    await untilConnected(false);
    await server.restart();
    const written = await Promise.all(writing);
    expect(written.filter(({ fenced }) => fenced)).toEqual([]);
    expect(written.reduce((sum, { unknown }) => sum + unknown, 0)).toBeGreaterThan(0);
    for (const key of keys) expect(await readTokens(bus.tokens, key)).toEqual(tokens);

    const stored = await scanTokens(server.url);
    for (const key of keys) expect(chunksOf(stored, key)).toEqual(chunksFor(tokens.length));
  }, 60_000);

  test('is noticed, and a tail goes on after the reconnect', async () => {
    const key = newKey();
    const records = await recordsOf(bus, key);
    const reconnected = deferred<void>();
    bus.link.onReconnect(() => reconnected.resolve());
    await server.kill('SIGKILL');
    await untilConnected(false, 1_000);
    await server.restart();
    await withTimeout(reconnected.promise, 5_000, 'a reconnect');
    expect(bus.link.connected).toBe(true);
    await writeTokens(bus.tokens, key, ['after']);
    expect(await records.next()).toMatchObject({ tokens: ['after'] });
  });

  test('leaves the directory: who was announced is still known, and may announce itself', async () => {
    const info = { worker: 'w', models: ['m'], slots: 1, ownQueue: true, running: [] };
    await bus.workers.announce(info);
    await server.kill('SIGKILL');
    await server.restart();
    await untilConnected(true);
    const known = await waitFor(() => bus.workers.list(), { what: 'the directory' });
    expect(known).toMatchObject([info]);
    await bus.workers.announce({ ...info, slots: 2 });
    expect(await bus.workers.list()).toMatchObject([{ worker: 'w', slots: 2 }]);
    expect((await bus.link.streams()).map(({ name }) => name)).toContain('KV_WORKERS');
  });

  test('keeps what a pull waits for', async () => {
    await bus.jobs.pull('outage', 50, new AbortController().signal);
    const pulling = bus.jobs.pull('outage', 20_000, new AbortController().signal);
    // Something that takes a round trip, so that the pull has reached the server.
    await bus.workers.list();
    await server.kill('SIGKILL');
    await server.restart();
    await untilConnected(true);
    const job = { ...newKey(), model: 'outage', attempt: 1 };
    await waitFor(async () => bus.jobs.publish(job).then(() => true), { what: 'a job to be published' });
    const ms = await elapsed(async () => {
      // The pull may have failed with the server; then the next one gets the job.
      const first = await pulling.catch((error: unknown) => {
        expect(error).toBeInstanceOf(BusUnavailableError);
        return bus.jobs.pull('outage', 20_000, new AbortController().signal);
      });
      expect(first?.job).toEqual(job);
      await first?.ack();
    });
    expect(ms).toBeLessThan(2_000);
  }, 40_000);
});

describe('while the server is down', () => {
  test('an append resolves at once as unknown, and never arrives later', async () => {
    const key = newKey();
    await server.kill('SIGKILL');
    await untilConnected(false);
    const ms = await elapsed(async () =>
      expect(await bus.tokens.append(key, draft())).toMatchObject({ type: 'unknown' }),
    );
    // An answer is waited for a second: this one is not.
    expect(ms).toBeLessThan(900);
    await server.restart();
    await untilConnected(true);
    expect(await bus.tokens.head(key)).toBeUndefined();
  });

  test('a beat is not told, and never arrives later: late ones would count for time that has passed', async () => {
    const heard: string[] = [];
    const beats = await bus.workers.onBeat(({ worker }) => void heard.push(worker));
    await server.kill('SIGKILL');
    await untilConnected(false);
    for (let n = 0; n < 5; n += 1) bus.workers.beat({ worker: 'late', running: [] });
    await server.restart();
    await untilConnected(true);
    await waitFor(
      () => {
        bus.workers.beat({ worker: 'now', running: [] });
        return heard.includes('now');
      },
      { what: 'a beat to arrive' },
    );
    expect(heard).not.toContain('late');
    beats.close();
  });

  test('appends that were in flight resolve as soon as the link is lost', async () => {
    await server.pause();
    const paused = Array.from({ length: 50 }, () => bus.tokens.append(newKey(), draft()));
    const ms = await elapsed(async () => {
      await server.kill('SIGKILL');
      await withTimeout(Promise.all(paused), 1_500, 'all outcomes');
    });
    expect(ms).toBeLessThan(900);
    for (const outcome of await Promise.all(paused)) expect(outcome.type).toBe('unknown');
    await server.restart();
    await untilConnected(true);
  });

  test('everything else fails as unavailable, in little more than its timeout', async () => {
    const key = newKey();
    const stored = { sequence: 9, chunk: 1, record: parseRecord(draft().payload) };
    await server.kill('SIGKILL');
    await untilConnected(false);
    const item = { id: 'i', kind: 'message', user: 'u', createdAt: 1, text: 't' } as const;
    const prompt = { hash: 'h', user: 'u', createdAt: 1, body: { model: 'm', input: 'hi' } };
    const listener = { record: () => undefined, item: () => undefined };
    const control = { ack: () => undefined, cancel: () => ({ type: 'cancelling', attempt: 1 }) as const };
    const calls: Record<string, () => Promise<unknown>> = {
      head: () => bus.tokens.head(key),
      before: () => bus.tokens.before(key, stored, 1),
      tail: () => bus.tokens.tail(key, listener),
      createPrompt: () => bus.sessions.createPrompt(key, prompt),
      prompt: () => bus.sessions.prompt(key),
      createItem: () => bus.sessions.createItem(key, item),
      item: () => bus.sessions.item(key, key.generation),
      updateItem: () => bus.sessions.updateItem(key, item, 1),
      items: () => bus.sessions.items(key, 0),
      add: () => bus.counters.add({ ...key, unit: 'items' }, 1),
      begin: () => bus.counters.begin({ ...key, unit: 'items' }, 1),
      read: () => bus.counters.read({ ...key, unit: 'items' }),
      correct: () => bus.counters.correct({ ...key, unit: 'items' }, { value: 1, seq: 1, restMs: 1 }),
      storedBytes: () => bus.counters.storedBytes(key.org),
      publish: () => bus.jobs.publish({ ...key, model: 'm', attempt: 1 }),
      cancel: () => bus.control.cancel(key, 'u'),
      serve: () => bus.control.serve(key, control),
      announce: () => bus.workers.announce({ worker: 'w', models: [], slots: 1, running: [] }),
      retire: () => bus.workers.retire('w'),
      list: () => bus.workers.list(),
      streams: () => bus.link.streams(),
    };
    const answers = Object.entries(calls).map(async ([name, call]) => {
      const error: unknown = await withTimeout(call(), 3_000, `${name} to fail`).catch((reason) => reason);
      return [name, (error as Error | undefined)?.constructor.name];
    });
    const failures = Object.fromEntries(await Promise.all(answers));
    expect(failures).toEqual(
      Object.fromEntries(Object.keys(calls).map((name) => [name, 'BusUnavailableError'])),
    );
    bus.control.ack(key, { type: 'ack', edge: 'e', epoch: 0, seq: 1, viewers: 1 });
    bus.presence.publish(key, { type: 'sync', edge: 'e' });
    await server.restart();
    await untilConnected(true);
  });

  test('a pull ends when its time is over or it is aborted', async () => {
    const never = new AbortController().signal;
    await bus.jobs.pull('down', 1, never);
    await server.kill('SIGKILL');
    await untilConnected(false);
    const answer = bus.jobs.pull('down', 300, never).catch((error: unknown) => error);
    const ended = await withTimeout(answer, 1_000, 'the pull to end');
    expect(ended === undefined || ended instanceof BusUnavailableError).toBe(true);
    const abort = new AbortController();
    const aborted = bus.jobs.pull('other', 60_000, abort.signal).catch((error: unknown) => error);
    abort.abort();
    expect(await withTimeout(aborted, 500, 'the aborted pull to end')).toBeUndefined();
    await server.restart();
    await untilConnected(true);
  });

  test('closing does not wait for the server, and the link says that it is closed', async () => {
    await server.kill('SIGKILL');
    await untilConnected(false);
    await withTimeout(bus.close(), 1_000, 'the bus to close');
    expect(await withTimeout(bus.link.closed, 1_000, 'the link to be closed')).toBeUndefined();
    expect(bus.link.connected).toBe(false);
    expect(await bus.tokens.append(newKey(), draft())).toMatchObject({ type: 'unknown' });
    bus.control.ack(newKey(), { type: 'ack', edge: 'e', epoch: 0, seq: 1, viewers: 1 });
    await server.restart();
  });
});

describe('while the server hangs', () => {
  afterEach(() => server.resume());

  test('an append resolves as unknown within 1.2 s', async () => {
    await server.pause();
    const appended = await measured(
      () =>
        elapsed(async () =>
          expect(await bus.tokens.append(newKey(), draft())).toMatchObject({ type: 'unknown' }),
        ),
      (ms) => ms < 1_250,
    );
    expect(appended).toMatchObject({ isGood: true });
    expect(Math.min(...appended.rounds)).toBeGreaterThan(900);
  });

  test('the loss of the link is noticed within 5 s, and the link comes back', async () => {
    await server.pause();
    const ms = await elapsed(() => untilConnected(false, 6_000));
    console.info(`a hung server is noticed after ${(ms / 1_000).toFixed(1)} s`);
    expect(ms).toBeLessThan(5_000);
    server.resume();
    await untilConnected(true);
  }, 20_000);

  test('an append it stored late does no harm: the fence holds back the repeat', async () => {
    const key = newKey();
    await server.pause();
    const first = draft('same');
    expect(await bus.tokens.append(key, first)).toMatchObject({ type: 'unknown' });
    server.resume();
    await waitFor(async () => (await bus.tokens.head(key)) !== undefined, {
      what: 'the late record',
      timeoutMs: 10_000,
    });
    expect(await bus.tokens.append(key, first)).toEqual({ type: 'wrong_sequence' });
    expect(await readTokens(bus.tokens, key)).toEqual(['same']);
  }, 20_000);

  test('writing goes on when it wakes, whatever the tries in between became', async () => {
    const keys = Array.from({ length: 10 }, newKey);
    const tokens = Array.from({ length: 200 }, (_, n) => `${n} `);
    const some = deferred<void>();
    const writing = keys.map((key) =>
      writeTokens(bus.tokens, key, tokens, (count) => {
        if (count === 50) some.resolve();
      }),
    );
    await some.promise;
    await server.pause();
    await untilConnected(false);
    server.resume();
    const written = await Promise.all(writing);
    expect(written.filter(({ fenced }) => fenced)).toEqual([]);
    for (const key of keys) expect(await readTokens(bus.tokens, key)).toEqual(tokens);
  }, 40_000);
});
