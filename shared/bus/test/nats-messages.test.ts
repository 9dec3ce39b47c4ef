import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { ChunkWriter } from '@sluice/core';
import { MAX_CHUNK_TOKENS, parseItemId } from '@sluice/protocol';
import { Queue, startNatsServer, waitFor } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { connect, headers } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import { BusUnavailableError, WORKER_TTL_MS, createNatsBus, readChain } from '../src/index.ts';
import type { Bus, ForeignMessage } from '../src/index.ts';
import type { Connection } from '../src/nats/connection/link.ts';
import { readLastMessages, sequenceOf } from '../src/nats/last-messages.ts';
import { RecordPublisher } from '../src/nats/tokens/record-publisher.ts';
import { chunkSubjects, itemSubjects, jobSubject, parseLiveSubject } from '../src/subjects.ts';
import { newKey } from './world.ts';

let server: NatsServer;
let bus: Bus;
/** somebody else's program */
let stranger: NatsConnection;
let errors: Queue<Error>;
let foreign: Queue<ForeignMessage>;
beforeAll(async () => {
  server = await startNatsServer({ monitor: true });
});
afterAll(() => server.stop());
beforeEach(async () => {
  errors = new Queue('an error that is reported');
  foreign = new Queue('a message that is told as foreign');
  bus = await createNatsBus({ url: server.url, name: 'messages' }, (error) => errors.push(error));
  bus.border.onForeign((each) => foreign.push(each));
  stranger = await connect({ servers: server.url });
});
afterEach(async () => {
  await Promise.all([bus.close(), stranger.close()]);
});

const draftOf = (text: string, expected = 0) => ({ ...new ChunkWriter(1).draft([text], 1).draft, expected });
const ALWAYS_THERE: Connection = {
  connected: true,
  onReconnect: () => ({ close: () => undefined }),
  onDisconnect: () => ({ close: () => undefined }),
};
const message = (id: string, text: string) =>
  ({ id, kind: 'message', user: 'u', createdAt: 1, text }) as const;
/** How many the server has, of everybody. */
const subscriptions = async (): Promise<number> => {
  await stranger.flush();
  const answer = await fetch(`${server.monitorUrl}/subsz`);
  return ((await answer.json()) as { num_subscriptions: number }).num_subscriptions;
};

describe('what strangers publish', () => {
  test.each(['01', 'x', '-1', '1e3', '9'.repeat(10)])(
    'a record of chunk %j, which is no number, is no head',
    async (chunk) => {
      const key = newKey();
      const subject = chunkSubjects(0, key).replace('*', chunk);
      await jetstream(stranger).publish(subject, draftOf('a').payload);
      expect(await bus.tokens.head(key)).toBeUndefined();
      expect(await foreign.next()).toMatchObject({ kind: 'record' });
    },
  );

  test('a chunk that cannot be read ends what leads up to its successor', async () => {
    const key = newKey();
    const writer = new ChunkWriter(1);
    for (let chunk = 0; chunk < 4; chunk += 1) {
      const { draft } = writer.draft(
        Array.from({ length: MAX_CHUNK_TOKENS }, () => 'a'),
        1,
      );
      const payload = chunk === 1 ? 'not a record' : draft.payload;
      const outcome = await bus.tokens.append(key, { ...draft, payload });
      if (outcome.type !== 'stored') throw new Error(outcome.type);
      writer.stored(outcome.sequence);
    }
    const head = await bus.tokens.head(key);
    if (head === undefined) throw new Error('expected a head, got none');
    const chain = await readChain(bus.tokens, key, head, 0);
    expect(chain).toMatchObject({ complete: false, records: [{ base: 64 }, { base: 96 }] });
    expect(await foreign.next()).toMatchObject({ kind: 'record' });
  });

  test('an id that is none in a subject is passed over', async () => {
    const key = newKey();
    const records = new Queue<unknown>();
    await bus.tokens.tail(key, { record: (_id, record) => records.push(record), item: () => undefined });
    const [org, session] = [key.org, key.session];
    const { payload } = draftOf('foreign');
    stranger.publish(`live.tok.${org}.${session}.bad!id`, payload);
    stranger.publish(`live.tok.${org}.${session}.${'x'.repeat(65)}`, payload);
    stranger.publish(`live.other.${org}.${session}.id`, payload);
    await stranger.flush();
    await bus.tokens.append(key, draftOf('good'));
    expect(await records.next()).toMatchObject({ tokens: ['good'] });
    expect(records.size + foreign.size).toBe(0);
  });

  test('an item that comes from no stream is foreign', async () => {
    const key = newKey();
    const items = new Queue<unknown>();
    await bus.tokens.tail(key, { record: () => undefined, item: (item) => items.push(item) });
    stranger.publish(`live.item.${key.org}.${key.session}.id`, JSON.stringify(message('id', 'never stored')));
    expect(await foreign.next()).toEqual({ kind: 'item', reason: 'expected a Nats-Sequence header' });
    expect(items.size).toBe(0);
  });

  test('a job that is none is taken off the queue', async () => {
    const job = { ...newKey(), model: 'garbage', attempt: 1 };
    const garbage = ['not JSON', '{}', JSON.stringify({ ...job, org: 'bad.org' }), 'null'];
    for (const [n, body] of garbage.entries())
      await jetstream(stranger).publish(jobSubject({ ...job, attempt: n + 2 }, 'any'), body);
    await bus.jobs.publish(job);
    const delivery = await bus.jobs.pull(job.model, 5_000, new AbortController().signal);
    expect(delivery?.job).toEqual(job);
    await delivery?.ack();
    await waitFor(
      async () => (await (await jetstreamManager(stranger)).streams.info('JOBS')).state.messages === 0,
      { what: 'an empty job queue' },
    );
  });

  test('a job that was purged from its queue is taken again at once', async () => {
    const job = { ...newKey(), model: 'purged', attempt: 1 };
    await bus.jobs.publish(job);
    await (await jetstreamManager(stranger)).streams.purge('JOBS');
    await bus.jobs.publish(job);
    const delivery = await bus.jobs.pull(job.model, 2_000, new AbortController().signal);
    expect(delivery?.job).toEqual(job);
    await delivery?.ack();
  });

  test('an answer to a record that is none of JetStream’s leaves its outcome unknown', async () => {
    const answers = [
      'null',
      '7',
      '[]',
      '{"seq":"1"}',
      '{"seq":-1}',
      '{"error":null}',
      '{"error":{"err_code":{}}}',
    ];
    const asked = await connect({ servers: server.url });
    const publisher = new RecordPublisher(asked, ALWAYS_THERE, '_INBOX');
    const serving = stranger.subscribe('answering', {
      callback: (_error, request) => void request.respond(answers.shift() ?? ''),
    });
    await stranger.flush();
    const fence = { subjects: 'answering', expected: 0 };
    for (const _ of [...answers])
      expect(await publisher.publish('answering', 'x', fence)).toMatchObject({ type: 'unknown' });
    serving.unsubscribe();
    publisher.close();
    await asked.close();
  });
});

test('a listener that throws is reported, and breaks neither its own nor any other subscription', async () => {
  const key = newKey();
  const records = new Queue<unknown>();
  let calls = 0;
  await bus.tokens.tail(key, {
    record: (_id, record) => {
      calls += 1;
      if (calls === 1) throw new Error('bug in a listener');
      records.push(record);
    },
    item: () => undefined,
  });
  const outcome = await bus.tokens.append(key, draftOf('a'));
  expect(await errors.next()).toMatchObject({ message: 'bug in a listener' });
  if (outcome.type !== 'stored') throw new Error(outcome.type);
  await bus.tokens.append(key, draftOf('b', outcome.sequence));
  expect(await records.next()).toMatchObject({ tokens: ['b'] });
});

test('a record larger than the server takes is refused as a limit', async () => {
  expect(
    await bus.tokens.append(newKey(), draftOf('x'.repeat(2 * 1024 * 1024).slice(0, 890_000))),
  ).toMatchObject({
    type: 'stored',
  });
  const tooLarge = { ...draftOf(''), payload: 'x'.repeat(1024 * 1024 + 1) };
  expect(await bus.tokens.append(newKey(), tooLarge)).toMatchObject({ type: 'limit' });
});

describe('a listing', () => {
  const list = (key: ReturnType<typeof newKey>, limits: { maxMessages?: number; maxBytes?: number }) =>
    readLastMessages(stranger, '_INBOX', {
      stream: 'KV_SESSIONS',
      subjects: [itemSubjects(key)],
      replicas: 1,
      ...limits,
    });

  test('with an item larger than its byte limit holds that item, and says that there is more', async () => {
    const key = newKey();
    for (const id of ['a', 'b']) await bus.sessions.createItem(key, message(id, 'x'.repeat(10_000)));
    const first = await list(key, { maxBytes: 100 });
    expect(first.messages).toHaveLength(1);
    expect(first.more).toBe(true);
    const second = await readLastMessages(stranger, '_INBOX', {
      stream: 'KV_SESSIONS',
      subjects: [itemSubjects(key)],
      from: sequenceOf(first.messages[0] as never) + 1,
      maxBytes: 100,
      replicas: 1,
    });
    expect(second.messages).toHaveLength(1);
    expect(second.more).toBe(false);
  });

  test('of more subjects than the server lists at once leaves none out', async () => {
    const key = newKey();
    const ids = Array.from({ length: 1_100 }, (_, n) => `${n}`);
    await Promise.all(ids.map((id) => bus.sessions.createItem(key, message(id, ''))));
    const rev = (await bus.sessions.item(key, parseItemId('7')))?.rev ?? 0;
    await bus.sessions.updateItem(key, message('7', 'changed'), rev);
    const listed: string[] = [];
    for (let since = 0, more = true; more;) {
      const page = await bus.sessions.items(key, since);
      listed.push(...page.items.map(({ item }) => item.id));
      ({ rev: since, more } = page);
    }
    expect(listed).toHaveLength(1_100);
    expect(listed.toSorted()).toEqual(ids.toSorted());
    expect(listed.at(-1)).toBe('7');
  });

  test('is refused for good, and not as an outage, where one item is larger than a message may be', async () => {
    const key = newKey();
    const item = { ...message('a', 'hello'), mark: '\n'.repeat(600_000) };
    await expect(bus.sessions.createItem(key, item)).rejects.toMatchObject({
      code: 'refused',
      reason: 'too_large',
    });
  });

  test('is asked for again where a replica hangs', async () => {
    let asked = 0;
    stranger.subscribe('$JS.API.DIRECT.GET.HANGING', {
      callback: (_error, request) => {
        asked += 1;
        if (asked > 2) request.respond('', { headers: headers(204, 'EOB') });
      },
    });
    await stranger.flush();
    const reader = await connect({ servers: server.url });
    const query = { stream: 'HANGING', subjects: ['>'] };
    const from = performance.now();
    expect(await readLastMessages(reader, '_INBOX', { ...query, replicas: 3 })).toMatchObject({
      messages: [],
    });
    expect(performance.now() - from).toBeLessThan(1_900);
    expect(asked).toBe(3);
    await reader.close();
  });

  test('goes on after a message that was replaced while it was read', async () => {
    const answer = (request: Msg, subject: string, sequence: number): void => {
      const head = headers();
      head.set('Nats-Subject', subject);
      head.set('Nats-Sequence', String(sequence));
      head.set('Nats-Num-Pending', '1');
      request.respond(subject, { headers: head });
    };
    const status = (request: Msg, code: number, text: string): void =>
      void request.respond('', { headers: headers(code, text) });
    const asked: unknown[] = [];
    // As the server does: `b` and `a` change during the first read, which ends where it misses `b`.
    stranger.subscribe('$JS.API.DIRECT.GET.SCRIPTED', {
      callback: (_error, request) => {
        asked.push(request.json());
        if (asked.length === 1) {
          answer(request, 'a', 3);
          return status(request, 404, 'Message Not Found');
        }
        for (const [subject, sequence] of [
          ['c', 5],
          ['b', 8],
          ['a', 9],
        ] as const)
          answer(request, subject, sequence);
        return status(request, 204, 'EOB');
      },
    });
    await stranger.flush();
    const reader = await connect({ servers: server.url });
    const listed = await readLastMessages(reader, '_INBOX', {
      stream: 'SCRIPTED',
      subjects: ['>'],
      maxMessages: 10,
      replicas: 1,
    });
    expect(listed.messages.map((found) => [found.string(), sequenceOf(found)])).toEqual([
      ['c', 5],
      ['b', 8],
      ['a', 9],
    ]);
    expect(asked).toEqual([
      { multi_last: ['>'], seq: 1, batch: 10 },
      { multi_last: ['>'], seq: 4, batch: 9 },
    ]);
    await reader.close();
  });

  test('leaves no subscription behind', async () => {
    const key = newKey();
    await bus.sessions.createItem(key, message('a', ''));
    await bus.sessions.items(key, 0);
    await bus.workers.list();
    const before = await subscriptions();
    for (let n = 0; n < 50; n += 1) await Promise.all([bus.sessions.items(key, 0), bus.workers.list()]);
    await bus.sessions.items(newKey(), 0);
    expect(await subscriptions()).toBeLessThanOrEqual(before);
  });
});

test('a pull gets its job although its consumer was deleted', async () => {
  const never = new AbortController().signal;
  await bus.jobs.pull('deleted', 50, never);
  const jsm = await jetstreamManager(stranger);
  for await (const { name } of jsm.consumers.list('JOBS')) await jsm.consumers.delete('JOBS', name);
  const job = { ...newKey(), model: 'deleted', attempt: 1 };
  await bus.jobs.publish(job);
  const delivery = await bus.jobs.pull('deleted', 5_000, never);
  expect(delivery?.job).toEqual(job);
  await delivery?.ack();
});

test('a worker that stops announcing itself is forgotten after its time', async () => {
  await bus.workers.announce({ worker: 'silent', models: ['m'], slots: 1, running: [] });
  const announced = performance.now();
  expect(await bus.workers.list()).toHaveLength(1);
  await waitFor(async () => (await bus.workers.list()).length === 0, {
    what: 'the worker to be forgotten',
    timeoutMs: WORKER_TTL_MS + 5_000,
    pollMs: 100,
  });
  expect(performance.now() - announced).toBeGreaterThan(WORKER_TTL_MS * 0.9);
}, 20_000);

describe('a live subject', () => {
  test.each([
    ['live.tok.o.s.g', { kind: 'tok', id: 'g' }],
    ['live.item.o.s.i-1_A', { kind: 'item', id: 'i-1_A' }],
    ['live.other.o.s.g', undefined],
    ['live.tok.o.s.', undefined],
    ['live.tok.o.s.bad id', undefined],
    [`live.tok.o.s.${'x'.repeat(65)}`, undefined],
    ['', undefined],
  ])('%j is read as %j', (subject, parsed) => {
    expect(parseLiveSubject(subject)).toEqual(parsed);
  });
});

describe('the relay', () => {
  test('an answer that NATS does not take is reported, and harms nobody', async () => {
    const small = await startNatsServer({ config: 'max_payload: 65536' });
    const edge = await createNatsBus({ url: small.url, name: 'small' }, (error) => errors.push(error));
    await edge.relay.serve('e1', () => Promise.resolve('a'.repeat(128 * 1024)));
    const asking = edge.relay.ask('e1', 'hello', 1_000);
    await expect(asking).rejects.toThrow(BusUnavailableError);
    expect((await errors.next()).message).toMatch(/payload/i);
    await edge.close();
    await small.stop();
  });

  test('a question that NATS does not take fails at once, and leaves no subscription', async () => {
    await bus.relay.ask('e2', 'nobody there', 1_000);
    const before = await subscriptions();
    const asking = bus.relay.ask('e2', 'q'.repeat(2 * 1024 * 1024), 60_000);
    await expect(asking).rejects.toMatchObject({ code: 'refused', reason: 'too_large' });
    await bus.link.streams();
    expect(await subscriptions()).toBeLessThanOrEqual(before);
  });
});
