/** Whatever somebody else's program publishes: the bus tells of it, hands nothing on, and goes on. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ORG_STATS, parseItemId, parseSessionId } from '@sluice/protocol';
import type { WorkerReport } from '@sluice/protocol';
import { Queue, waitFor } from '@sluice/testkit';
import { BusUnavailableError } from '../src/index.ts';
import type { Bus, ForeignKind, ForeignMessage, TailListener } from '../src/index.ts';
import {
  beatSubject,
  controlSubject,
  itemKey,
  jobSubject,
  presenceSubject,
  revocationSubject,
  stateSubject,
  statsSubject,
} from '../src/subjects.ts';
import { deep, expectGarbageForeign, GARBAGE, openBorder } from './garbage.ts';
import type { GarbageSubject } from './garbage.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

const messageOf = (id: string) => ({ id, kind: 'message', user: 'u', createdAt: 1, text: 'hello' }) as const;
const silent: TailListener = { record: () => undefined, item: () => undefined };

describe.each(backends)('The border on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  let foreign: Queue<ForeignMessage>;
  beforeAll(async () => {
    ({ world, bus, other, foreign } = await openBorder(start));
  });
  afterAll(() => world.stop());

  const expectForeign = (kind: ForeignKind, subject: GarbageSubject): Promise<void> =>
    expectGarbageForeign({ world, foreign }, kind, subject);
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
