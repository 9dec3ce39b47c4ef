/** Whatever somebody else's program publishes: the bus tells of it, hands nothing on, and goes on. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ChunkWriter } from '@sluice/core';
import type { Draft } from '@sluice/core';
import { ORG_STATS, parseItemId, parseSessionId } from '@sluice/protocol';
import type { GenerationKey, WorkerReport } from '@sluice/protocol';
import { Queue, waitFor } from '@sluice/testkit';
import { BusUnavailableError, readChain, tokensOf } from '../src/index.ts';
import type { Bus, Chain, ForeignKind, ForeignMessage, TailListener } from '../src/index.ts';
import {
  beatSubject,
  chunkSubject,
  controlSubject,
  itemKey,
  jobSubject,
  presenceSubject,
  revocationSubject,
  stateSubject,
  statsSubject,
} from '../src/subjects.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

const deep = `${'['.repeat(10_000)}1${']'.repeat(10_000)}`;
/** What no kind of message is. */
const GARBAGE: readonly string[] = [
  ...['', 'no JSON', '{}', '[]', '[{}]', 'null', '7', 'true', '"running"', '\ufffd\u0000'],
  ...['{"__proto__":{"type":"sync","state":"paused","worker":"w","running":[]}}', 'x'.repeat(900_000), deep],
  ...[
    '{"type":"ack","edge":1}',
    '{"type":"signal","user":"u"}',
    '{"type":"viewers","edge":"e","viewers":[7]}',
  ],
  `{"type":"signal","user":"u","connection":"c","data":${deep}}`,
];

const draftOf = (text: string, expected = 0): Draft => ({
  ...new ChunkWriter(1).draft([text], 1).draft,
  expected,
});
const messageOf = (id: string) => ({ id, kind: 'message', user: 'u', createdAt: 1, text: 'hello' }) as const;
const silent: TailListener = { record: () => undefined, item: () => undefined };

describe.each(backends)('The border on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  let foreign: Queue<ForeignMessage>;
  beforeAll(async () => {
    world = await start();
    [bus, other] = await Promise.all([world.open(), world.open()]);
    foreign = new Queue('a message that is told as foreign');
    bus.border.onForeign((message) => foreign.push(message));
  });
  afterAll(() => world.stop());

  /** Every piece of garbage is told as this kind, and nothing of its content is. */
  const expectForeign = async (
    kind: ForeignKind,
    subject: string | ((n: number) => string),
  ): Promise<void> => {
    for (const [n, text] of GARBAGE.entries()) {
      await world.publish(typeof subject === 'string' ? subject : subject(n), text);
      const told = await foreign.next();
      expect(told.kind).toBe(kind);
      expect(told.reason).not.toContain('xxx');
      expect(told.reason.length).toBeLessThan(200);
    }
  };
  const expectQuiet = (): void => expect(foreign.size).toBe(0);

  test('a state is dropped, and the next one is heard', async () => {
    const key = newKey();
    const states = new Queue<string>();
    const tail = await bus.tokens.tail(key, { ...silent, state: (_id, state) => states.push(state) });
    await expectForeign('state', stateSubject(key));
    await world.publish(stateSubject(key), '{"state":"exploded"}');
    expect(await foreign.next()).toMatchObject({ kind: 'state' });
    other.tokens.announce(key, 'paused');
    expect(await states.next()).toBe('paused');
    expectQuiet();
    tail.close();
  });

  test('presence is dropped, and the next one is heard', async () => {
    const key = newKey();
    const heard = new Queue<unknown>();
    const tail = await bus.tokens.tail(key, { ...silent, presence: (message) => heard.push(message) });
    await expectForeign('presence', presenceSubject(key));
    const signal = { type: 'signal', user: 'u', connection: 'c', data: { any: [1] } } as const;
    other.presence.publish(key, signal);
    expect(await heard.next()).toEqual(signal);
    expectQuiet();
    tail.close();
  });

  test('a signal of a stats session is a report or nothing', async () => {
    const key = { ...newKey(), session: parseSessionId(ORG_STATS) };
    const heard = new Queue<unknown>();
    const tail = await bus.tokens.tail(key, { ...silent, presence: (message) => heard.push(message) });
    await expectForeign('report', presenceSubject(key));
    const said = { type: 'signal', user: 'w', connection: '' } as const;
    other.presence.publish(key, { ...said, data: { type: 'worker', tokens: 'many' } });
    expect(await foreign.next()).toMatchObject({ kind: 'report' });
    other.presence.publish(key, { ...said, data: REPORT });
    expect(await heard.next()).toEqual({ ...said, data: REPORT });
    tail.close();
  });

  test('a revocation is dropped, and the next one is heard and listed', async () => {
    const heard = new Queue<unknown>();
    const watch = await bus.revocations.watch((revocation) => heard.push(revocation));
    const now = Date.now();
    const target = { org: newKey().org, of: 'user', id: 'ann' } as const;
    await expectForeign('revocation', revocationSubject(target));
    await other.revocations.put({ ...target, before: now, expiresAt: now + 60_000 });
    expect(await heard.next()).toMatchObject(target);
    expect((await bus.revocations.list()).revocations).toMatchObject([target]);
    const of = { ...target, before: now, expiresAt: now };
    for (const each of [{ of: 'all' }, { org: 'a.b' }, { id: 'x'.repeat(2_000) }, { before: 'now' }]) {
      await world.publish(revocationSubject(target), JSON.stringify({ ...of, ...each }));
      expect(await foreign.next()).toMatchObject({ kind: 'revocation' });
    }
    expect((await bus.revocations.list()).revocations).toEqual([]);
    expect(await foreign.next()).toMatchObject({ kind: 'revocation' });
    expectQuiet();
    watch.close();
  });

  test('a control message is dropped, and serving goes on', async () => {
    const key = newKey();
    const acks = new Queue<unknown>();
    const serving = await bus.control.serve(key, {
      ack: (ack) => acks.push(ack),
      cancel: () => ({ type: 'cancelling', attempt: 1 }),
    });
    await expectForeign('control', controlSubject(key));
    const ack = { type: 'ack', edge: 'e', epoch: 0, seq: 7, viewers: 1 } as const;
    other.control.ack(key, ack);
    expect(await acks.next()).toEqual(ack);
    expectQuiet();
    serving.close();
  });

  test('a reply to a cancel that is none leaves the outcome unknown', async () => {
    const key = newKey();
    const serving = await other.control.serve(key, {
      ack: () => undefined,
      cancel: () => ({ type: 'cancelling', attempt: 0 }),
    });
    await expect(bus.control.cancel(key, 'ann')).rejects.toThrow(BusUnavailableError);
    expect(await foreign.next()).toMatchObject({ kind: 'control_reply' });
    serving.close();
  });

  test('a word about figures is dropped, and the next one is heard', async () => {
    const asks = new Queue<unknown>();
    const subscription = await bus.stats.onAsk((ask) => asks.push(ask));
    await expectForeign('stats_ask', statsSubject);
    const { org, session } = newKey();
    other.stats.ask({ key: { org, session }, isNew: true });
    expect(await asks.next()).toEqual({ key: { org, session }, isNew: true });
    subscription.close();
  });

  test('a beat is dropped, and the next one is heard', async () => {
    const beats = new Queue<unknown>();
    const subscription = await bus.workers.onBeat((beat) => beats.push(beat));
    await expectForeign('beat', beatSubject);
    const running = [{ ...newKey(), attempt: 1 }];
    for (const wrong of [{ worker: 'a b', running }, { worker: 'w', running: [{}] }, { worker: 'w' }]) {
      await world.publish(beatSubject, JSON.stringify(wrong));
      expect(await foreign.next()).toMatchObject({ kind: 'beat' });
    }
    other.workers.beat({ worker: 'w', running });
    expect(await beats.next()).toEqual({ worker: 'w', running });
    subscription.close();
  });

  test('an entry of the directory is left out, and does not hide the others', async () => {
    const entry = { worker: 'w', models: ['m'], slots: 2, running: [] };
    const wrong = [...GARBAGE, JSON.stringify({ ...entry, slots: 0 })];
    for (const [index, text] of wrong.entries()) await world.publish(`$KV.WORKERS.bad-${index}`, text);
    await other.workers.announce(entry);
    expect(await bus.workers.list()).toEqual([entry]);
    for (const _ of wrong) expect(await foreign.next()).toMatchObject({ kind: 'directory_entry' });
    await other.workers.retire(entry.worker);
    expectQuiet();
  });

  test('a job is taken off its queue, and the pull gets the next one', async () => {
    const job = { ...newKey(), model: 'garbage', attempt: 1 };
    const pulling = bus.jobs.pull(job.model, 5_000, new AbortController().signal);
    await expectForeign('job', (n) => jobSubject({ ...job, attempt: n + 2 }, 'any'));
    await other.jobs.publish(job);
    const delivery = await pulling;
    expect(delivery?.job).toEqual(job);
    await delivery?.ack();
  });

  test('a job in the own queue of a worker that is gone is not adopted', async () => {
    const job = { ...newKey(), model: 'm-own', attempt: 1 };
    for (const [n, text] of GARBAGE.entries())
      await world.publish(jobSubject({ ...job, attempt: n + 2 }, 'gone'), text);
    await other.jobs.publish(job, 'gone');
    expect(await bus.jobs.adopt('gone')).toBe(1);
    for (const _ of GARBAGE) expect(await foreign.next()).toMatchObject({ kind: 'job' });
    const delivery = await bus.jobs.pull(job.model, 5_000, new AbortController().signal);
    expect(delivery?.job).toEqual({ ...job, isOrphan: true });
    await delivery?.ack();
  });

  test('an item is left out, live and in a listing, and its key is taken', async () => {
    const key = newKey();
    const items = new Queue<unknown>();
    const tail = await bus.tokens.tail(key, { ...silent, item: (item) => items.push(item) });
    const id = parseItemId('bad');
    const subject = `$KV.SESSIONS.${itemKey(key, id)}`;
    await expectForeign('item', subject);
    for (const wrong of [
      JSON.stringify({ ...messageOf('bad'), text: 1 }),
      JSON.stringify(messageOf('of another key')),
      JSON.stringify({ ...messageOf('bad'), kind: 'generation' }),
      JSON.stringify(messageOf('bad')).replace('{', `{"later":${deep},`),
    ]) {
      await world.publish(subject, wrong);
      expect(await foreign.next()).toMatchObject({ kind: 'item' });
    }
    await other.sessions.createItem(key, messageOf('good'));
    expect(await items.next()).toMatchObject({ item: messageOf('good') });
    expect((await bus.sessions.items(key, 0)).items.map(({ item }) => item)).toEqual([messageOf('good')]);
    expect(await foreign.next()).toMatchObject({ kind: 'item' });
    expect(await bus.sessions.item(key, id)).toBeUndefined();
    expect(await foreign.next()).toMatchObject({ kind: 'item' });
    expect(await bus.sessions.createItem(key, messageOf('bad'))).toBeUndefined();
    tail.close();
  });

  test('a listing that ends with what is no item tells how far it was read', async () => {
    const key = newKey();
    await other.sessions.createItem(key, messageOf('good'));
    await world.publish(`$KV.SESSIONS.${itemKey(key, parseItemId('bad'))}`, '{}');
    const page = await bus.sessions.items(key, 0);
    expect(await foreign.next()).toMatchObject({ kind: 'item' });
    expect(page.rev).toBeGreaterThan(page.items[0]?.rev ?? Infinity);
    expect(await bus.sessions.items(key, page.rev)).toEqual({
      items: [],
      rev: page.rev,
      more: false,
      erased: [],
    });
    expectQuiet();
  });

  test('fields of an item that only its writer knows are kept', async () => {
    const key = newKey();
    const later = { ...messageOf('later'), mark: { of: ['a', 'later', 'version'] } };
    await world.publish(`$KV.SESSIONS.${itemKey(key, parseItemId('later'))}`, JSON.stringify(later));
    expect((await bus.sessions.item(key, parseItemId('later')))?.item).toEqual(later);
  });

  test('a prompt is as good as absent, and its key is taken', async () => {
    const key = newKey();
    const entry = { hash: 'h', user: 'u', createdAt: 1, body: { model: 'm', input: 'hi' } };
    for (const text of GARBAGE) {
      await world.publish(`$KV.PROMPTS.${itemKey(key, key.generation)}`, text);
      expect(await bus.sessions.prompt(key)).toBeUndefined();
      expect(await foreign.next()).toMatchObject({ kind: 'prompt' });
    }
    expect(await bus.sessions.createPrompt(key, entry)).toEqual({ created: false, entry: undefined });
    expect(await foreign.next()).toMatchObject({ kind: 'prompt' });
  });

  describe('in a log', () => {
    const append = async (key: GenerationKey, draft: Draft): Promise<number> => {
      const outcome = await other.tokens.append(key, draft);
      if (outcome.type !== 'stored') throw new Error(`expected it to be stored, got ${outcome.type}`);
      return outcome.sequence;
    };
    const drain = (): void => {
      while (foreign.size > 0) void foreign.next();
    };

    test('is passed over live, and the log goes on behind it', async () => {
      const key = newKey();
      const records = new Queue<{ readonly tokens: readonly unknown[] }>();
      const tail = await bus.tokens.tail(key, { ...silent, record: (_id, record) => records.push(record) });
      await expectForeign('record', chunkSubject(0, key, 0));
      const first = await append(key, draftOf('a'));
      await expectForeign('record', chunkSubject(0, key, 0));
      const second = await append(key, draftOf('b', first));
      expect((await records.next()).tokens).toEqual(['a']);
      expect((await records.next()).tokens).toEqual(['b']);
      expect(second).toBeGreaterThan(first);
      tail.close();
    });

    test('does not hide the newest record before it', async () => {
      const key = newKey();
      await world.publish(chunkSubject(0, key, 0), 'only garbage so far');
      expect(await bus.tokens.head(key)).toBeUndefined();
      const sequence = await append(key, draftOf('a'));
      for (const [index, text] of GARBAGE.entries())
        await world.publish(chunkSubject(0, key, index + 1), text);
      expect(await bus.tokens.head(key)).toMatchObject({ sequence, record: { tokens: ['a'] } });
      drain();
    });

    test('does not open the fence: who has not seen the newest record is refused', async () => {
      const key = newKey();
      const first = await append(key, draftOf('a'));
      const second = await append(key, draftOf('b', first));
      await world.publish(chunkSubject(0, key, 1), '{}');
      expect(await bus.tokens.append(key, draftOf('late', first))).toEqual({ type: 'wrong_sequence' });
      expect(await bus.tokens.append(key, draftOf('late', 0))).toEqual({ type: 'wrong_sequence' });
      await append(key, draftOf('c', second));
      drain();
    });

    const tokens = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n} `);
    /** Writes as a worker does, one record for as many tokens as fit. */
    const write = async (
      key: GenerationKey,
      writer: ChunkWriter,
      pending: readonly string[],
    ): Promise<void> => {
      for (let rest = pending; rest.length > 0;) {
        const { draft, taken } = writer.draft(rest, 1);
        writer.stored(await append(key, draft));
        rest = rest.slice(taken);
      }
    };
    const read = async (key: GenerationKey): Promise<Chain> => {
      const head = await bus.tokens.head(key);
      if (head === undefined) throw new Error('expected a head, got none');
      return readChain(bus.tokens, key, head, 0);
    };

    test('in place of the open chunk is replaced by the next record, which has all of it', async () => {
      const key = newKey();
      const writer = new ChunkWriter(1);
      await write(key, writer, tokens(40));
      await world.publish(chunkSubject(0, key, 1), '{}');
      expect(await bus.tokens.head(key)).toMatchObject({ chunk: 0 });
      await write(key, writer, ['40 ']);
      expect(await read(key)).toMatchObject({ complete: true });
      expect(tokensOf(await read(key))).toEqual(tokens(41));
      drain();
    });

    test('in place of a chunk that is full is replaced by that chunk before the next one begins', async () => {
      const key = newKey();
      const writer = new ChunkWriter(1);
      await write(key, writer, tokens(32));
      for (const chunk of [0, 1, 7]) await world.publish(chunkSubject(0, key, chunk), '{}');
      await write(key, writer, ['32 ']);
      expect(await read(key)).toMatchObject({ complete: true });
      expect(tokensOf(await read(key))).toEqual(tokens(33));
      drain();
    });

    test('does not make a writer that stored its chunk again fence itself', async () => {
      const key = newKey();
      const writer = new ChunkWriter(1);
      await write(key, writer, tokens(32));
      const { draft } = writer.draft(['32 '], 1);
      await world.publish(chunkSubject(0, key, 0), '{}');
      // By a try whose answer got lost.
      await world.publish(chunkSubject(0, key, 0), draft.closed?.payload ?? '');
      await append(key, draft);
      expect(tokensOf(await read(key))).toEqual(tokens(33));
      drain();
    });

    test('in place of a closed chunk ends what leads up to the next one', async () => {
      const key = newKey();
      const writer = new ChunkWriter(1);
      await write(key, writer, tokens(70));
      await world.publish(chunkSubject(0, key, 0), '{}');
      await write(key, writer, ['70 ']);
      expect(await read(key)).toMatchObject({ complete: false, records: [{ base: 32 }, { base: 64 }] });
      drain();
    });

    test('obscures the head until a record follows it', async () => {
      const key = newKey();
      expect(await bus.tokens.isObscured(key, undefined)).toBe(false);
      await world.publish(chunkSubject(0, key, 0), '{}');
      expect(await bus.tokens.isObscured(key, await bus.tokens.head(key))).toBe(true);
      const first = await append(key, draftOf('a'));
      expect(await bus.tokens.isObscured(key, await bus.tokens.head(key))).toBe(false);
      await world.publish(chunkSubject(0, key, 1), '{}');
      expect(await bus.tokens.isObscured(key, await bus.tokens.head(key))).toBe(true);
      await append(key, draftOf('b', first));
      expect(await bus.tokens.isObscured(key, await bus.tokens.head(key))).toBe(false);
      drain();
    });

    test('between any two records leaves all of them', async () => {
      const key = newKey();
      const publishing: Promise<void>[] = [];
      let expected = 0;
      for (let n = 0; n < 50; n += 1) {
        publishing.push(world.publish(chunkSubject(0, key, n % 3), '{}'));
        expected = await append(key, draftOf(`${n}`, expected));
      }
      await Promise.all(publishing);
      await append(key, draftOf('last', expected));
      expect((await bus.tokens.head(key))?.record.tokens).toEqual(['last']);
      drain();
    });
  });

  test('what listens is told until it is closed', async () => {
    const key = newKey();
    const told: ForeignMessage[] = [];
    const listening = other.border.onForeign((message) => told.push(message));
    const tail = await other.tokens.tail(key, silent);
    await world.publish(stateSubject(key), '{}');
    await waitFor(() => told.length === 1, { what: 'the message to be told' });
    listening.close();
    const states = new Queue<string>();
    const again = await other.tokens.tail(key, { ...silent, state: (_id, state) => states.push(state) });
    await world.publish(stateSubject(key), '{}');
    await world.publish(stateSubject(key), '{"state":"running"}');
    expect(await states.next()).toBe('running');
    expect(told).toHaveLength(1);
    tail.close();
    again.close();
  });
});

const REPORT: WorkerReport = {
  type: 'worker',
  name: 'w',
  startedAt: 1,
  at: 2,
  runs: [],
  running: 0,
  progress: [],
  paused: 0,
  parked: 0,
  tokens: 0,
  parks: 0,
  ends: {},
  saved: { stop: 0, park: 0 },
  firstToken: [],
};
