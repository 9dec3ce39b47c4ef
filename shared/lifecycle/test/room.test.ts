import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BusRefusedError, BusUnavailableError } from '@sluice/bus';
import type { Bus, CounterName } from '@sluice/bus';
import type { Quota, SessionKey } from '@sluice/protocol';
import { deferred, waitFor } from '@sluice/testkit';
import {
  claimGeneration,
  createGeneration,
  createMessage,
  endGeneration,
  finishGeneration,
  recountSession,
  repeatGeneration,
  Room,
} from '../src/index.ts';
import type { CreateContext, OrgQuota, SessionLimits } from '../src/index.ts';
import { backends, entryOf, itemOf, newKey } from './world.ts';

const LIMITS: SessionLimits = { maxItemsPerSession: 5, maxBytesPerSession: 1e9 };
const FULL = { code: 'quota_exceeded', message: 'session: expected at most 5 items; start a new one' };
const MANY = 1e9;
const ALL: Quota = {
  ...{ bytesPerMinute: MANY, promptsPerMinute: MANY, messagesPerMinute: MANY },
  ...{ bytesStored: MANY, generations: MANY, connections: MANY },
};
let lines = 0;

describe.each(backends)('room on $name', ({ start }) => {
  let bus: Bus;
  let stop: () => Promise<void>;
  let now = 1_000;
  const clock = { now: () => now, setTimeout };
  beforeAll(async () => {
    ({ bus, stop } = await start());
  });
  afterAll(() => stop());

  /** As one edge has it. */
  const contextOf = (limits: Partial<SessionLimits> = {}, settleMs = 60_000): CreateContext => ({
    bus,
    room: new Room({ bus, clock, limits: { ...LIMITS, ...limits }, settleMs }),
  });
  /** As one edge has it, in an org with these quotas. */
  const quotaContext = (user: Partial<Quota>, org: Partial<Quota> = {}, settleMs = 60_000): CreateContext => {
    const limits = { maxItemsPerSession: 1_000, maxBytesPerSession: 1e9 };
    const quota: OrgQuota = { user: { ...ALL, ...user }, org: { ...ALL, ...org } };
    return { bus, room: new Room({ bus, clock, limits, quotaOf: () => quota, settleMs }) };
  };
  const line = (text = 'hi') => ({
    ...{ id: `line-${(lines += 1)}`, kind: 'message' as const, user: 'ann', createdAt: 1, text },
  });
  const counted = async (key: SessionKey, unit: CounterName['unit'] = 'items'): Promise<number> => {
    const { org, session } = key;
    return (await bus.counters.read({ org, session, unit }))?.value ?? 0;
  };
  const outcomes = async (posts: readonly Promise<boolean>[]) => {
    const results = await Promise.allSettled(posts);
    return {
      stored: results.filter((result) => result.status === 'fulfilled' && result.value).length,
      refused: results.filter((result) => result.status === 'rejected' && result.reason.code === FULL.code)
        .length,
    };
  };
  const stored = async (key: SessionKey): Promise<number> => (await bus.sessions.items(key, 0)).items.length;

  test('of 40 that post at once over two edges as many get in as there is room, and the counter says so', async () => {
    const [one, two] = [contextOf(), contextOf()];
    const key = newKey();
    await createMessage(one, key, line());
    const posts = Array.from({ length: 40 }, (_, n) => createMessage(n % 2 ? one : two, key, line()));
    expect(await outcomes(posts)).toEqual({ stored: 4, refused: 36 });
    expect([await counted(key), await stored(key)]).toEqual([5, 5]);
    await expect(
      createGeneration(one, { ...newKey(), session: key.session }, entryOf('m')),
    ).rejects.toMatchObject(FULL);
    expect(await counted(key)).toBe(5);
  });

  test('a session without a counter begins it from its items, once though many post at once', async () => {
    const key = newKey();
    for (let n = 0; n < 3; n += 1) await bus.sessions.createItem(key, line());
    const edges = Array.from({ length: 10 }, () => contextOf());
    const posts = Array.from({ length: 40 }, (_, n) =>
      createMessage(edges[n % 10] ?? contextOf(), key, line()),
    );
    expect(await outcomes(posts)).toEqual({ stored: 2, refused: 38 });
    expect([await counted(key), await stored(key)]).toEqual([5, 5]);
  });

  test('a repeat takes no room, nor does what is refused as a conflict', async () => {
    const context = contextOf();
    const key = newKey();
    const same = Array.from({ length: 10 }, () => createGeneration(context, key, entryOf('repeat')));
    expect((await Promise.all(same)).filter(({ created }) => created)).toHaveLength(1);
    const known = await bus.sessions.prompt(key);
    await repeatGeneration(bus, key, known, 'h');
    await expect(createGeneration(context, key, entryOf('repeat', 'other'))).rejects.toMatchObject({
      code: 'conflict',
    });
    const message = line();
    expect(await createMessage(context, key, message)).toBe(true);
    expect(await createMessage(context, key, message)).toBe(false);
    await expect(
      createGeneration(context, { ...key, generation: message.id as never }, entryOf('repeat')),
    ).rejects.toMatchObject({ code: 'conflict' });
    expect([await counted(key), await stored(key)]).toEqual([2, 2]);
  });

  test('a repeat is taken at the very limit, also while its first try is on its way', async () => {
    const context = contextOf();
    const key = newKey();
    for (let n = 0; n < LIMITS.maxItemsPerSession - 1; n += 1) await createMessage(context, key, line());
    const prompts = Array.from({ length: 3 }, () => createGeneration(context, key, entryOf('last')));
    expect((await Promise.all(prompts)).map(({ created }) => created)).toEqual([true, false, false]);
    const { session } = newKey();
    const other = { ...key, session };
    for (let n = 0; n < LIMITS.maxItemsPerSession - 1; n += 1) await createMessage(context, other, line());
    const same = line();
    const posts = Array.from({ length: 3 }, () => createMessage(context, other, same));
    expect(await Promise.all(posts)).toEqual([true, false, false]);
    expect([await counted(key), await counted(other)]).toEqual([5, 5]);
  });

  test('a repeat is taken at the very limit, also where its first try is on its way over another edge', async () => {
    const [one, two] = [contextOf(), contextOf()];
    const key = newKey();
    const other = newKey();
    for (let n = 1; n < LIMITS.maxItemsPerSession; n += 1)
      await Promise.all([key, other].map((each) => createMessage(one, each, line())));
    // Each stores only when the other has been refused and has looked for it in vain.
    const looked = [deferred<void>(), deferred<void>()];
    const edgeOf = (context: CreateContext, at: number): CreateContext => {
      const { prompt, item, createPrompt, createItem } = bus.sessions;
      const afterLook = async <Found>(look: Promise<Found>): Promise<Found> => {
        const found = await look;
        looked[at]?.resolve();
        return found;
      };
      const sessions: typeof bus.sessions = {
        ...bus.sessions,
        prompt: (...args) => afterLook(prompt(...args)),
        item: (...args) => afterLook(item(...args)),
        createPrompt: async (...args) => {
          await looked[1 - at]?.promise;
          return createPrompt(...args);
        },
        createItem: async (...args) => {
          await looked[1 - at]?.promise;
          return createItem(...args);
        },
      };
      return { ...context, bus: { ...bus, sessions } };
    };
    const edges = [edgeOf(one, 0), edgeOf(two, 1)];
    const prompts = edges.map((context) => createGeneration(context, key, entryOf('last')));
    expect((await Promise.all(prompts)).filter(({ created }) => created)).toHaveLength(1);
    const same = line();
    looked.splice(0, 2, deferred(), deferred());
    const posts = edges.map((context) => createMessage(context, other, same));
    expect((await Promise.all(posts)).filter(Boolean)).toHaveLength(1);
    expect([await counted(key), await counted(other)]).toEqual([5, 5]);
  });

  test('what could not be stored gives its room back; what may have been stored keeps it', async () => {
    const key = newKey();
    const failing = (error: Error): CreateContext => {
      const { room } = contextOf();
      const fail = () => Promise.reject(error);
      const broken = { ...bus.sessions, createPrompt: fail, createItem: fail };
      return { bus: { ...bus, sessions: broken }, room };
    };
    const refused = failing(new BusRefusedError('full', 'no space'));
    await expect(createGeneration(refused, key, entryOf('m'))).rejects.toThrow('no space');
    await expect(createMessage(refused, key, line())).rejects.toThrow('no space');
    expect([await counted(key), await counted(key, 'bytes')]).toEqual([0, 0]);
    const silent = failing(new BusUnavailableError('no answer'));
    await expect(createMessage(silent, key, line())).rejects.toThrow('no answer');
    expect(await counted(key)).toBe(1);
    await recountSession({ bus, clock, settleMs: 0 }, key);
    expect([await counted(key), await counted(key, 'bytes')]).toEqual([0, 0]);
  });

  test('an increment whose answer is lost counts too much rather than too little', async () => {
    const key = newKey();
    let isLost = false;
    const add: Bus['counters']['add'] = async (name, delta) => {
      const value = await bus.counters.add(name, delta);
      if (isLost || name.unit !== 'items') return value;
      isLost = true;
      throw new BusUnavailableError('no answer');
    };
    const lossy = { ...bus, counters: { ...bus.counters, add } };
    const room = new Room({ bus: lossy, clock, limits: LIMITS });
    await expect(createMessage({ bus: lossy, room }, key, line())).rejects.toThrow('no answer');
    expect([await counted(key), await counted(key, 'bytes'), await stored(key)]).toEqual([1, 0, 0]);
  });

  test('a prompt whose first try died before its item is counted when it is repeated', async () => {
    const key = newKey();
    await bus.sessions.createPrompt(key, entryOf('died'));
    await repeatGeneration(bus, key, entryOf('died'), 'h');
    await waitFor(async () => (await counted(key)) === 1, { what: 'the item to be counted' });
    expect(await stored(key)).toBe(1);
  });

  test('a counter that is too high refuses only until its items are counted, at most once a minute', async () => {
    const key = newKey();
    const { org, session } = key;
    const context = contextOf({}, 30);
    await createMessage(context, key, line());
    await bus.counters.add({ org, session, unit: 'items' }, 90);
    const post = () => createMessage(context, key, line());
    const isAdmitted = async (): Promise<boolean> => {
      now += 60_000;
      return post().catch(() => false);
    };
    await waitFor(isAdmitted, { what: 'the counter to have rested' });
    expect(await counted(key)).toBe(2);
    await bus.counters.add({ org, session, unit: 'items' }, 90);
    await expect(post()).rejects.toMatchObject(FULL);
    expect(await counted(key)).toBe(92);
  });

  test('what was reserved and is not stored yet is not counted away', async () => {
    const key = newKey();
    const [one, two] = [contextOf(), contextOf()];
    const pending = await Promise.all(
      Array.from({ length: 5 }, () => one.room.reserve(key, { kind: 'message', user: 'ann', bytes: 100 })),
    );
    await expect(createMessage(two, key, line())).rejects.toMatchObject(FULL);
    expect(await counted(key)).toBe(5);
    await pending[0]?.giveBack();
    expect(await createMessage(two, key, line())).toBe(true);
  });

  test('a session that another program has filled is refused once it is recounted', async () => {
    const key = newKey();
    const context = contextOf();
    await createMessage(context, key, line());
    for (let n = 0; n < 7; n += 1) await bus.sessions.createItem(key, line());
    await recountSession({ bus, clock }, key);
    expect(await counted(key)).toBe(8);
    await expect(createMessage(context, key, line())).rejects.toMatchObject(FULL);
  });

  test('bytes of items, prompts and answers have a limit of their own, and are counted as stored', async () => {
    const key = newKey();
    const context = contextOf({ maxItemsPerSession: 100, maxBytesPerSession: 6_000 });
    await createGeneration(context, key, entryOf('bytes'));
    expect(await counted(key, 'bytes')).toBeGreaterThan(Buffer.byteLength(JSON.stringify(entryOf('bytes'))));
    const delivery = await bus.jobs.pull('bytes', 2_000, new AbortController().signal);
    if (delivery === undefined) throw new Error('expected a job');
    const judging = { isRunning: () => false, admits: () => true, standingOf: () => 'dead' as const };
    await claimGeneration(delivery, { bus, clock, worker: 'w', ...judging });
    await delivery.ack();
    const { attempt } = await itemOf(bus, key);
    const leaving = { key, attempt, at: { epoch: 0, seq: 1 }, tokens: ['x'.repeat(4_000)], leftAt: 1 };
    await finishGeneration(bus, leaving, { reason: 'stop' });
    const bytes = await counted(key, 'bytes');
    expect(bytes).toBeGreaterThan(4_000);
    const tooMuch = {
      code: 'quota_exceeded',
      message: 'session: expected at most 6000 bytes; start a new one',
    };
    await expect(createMessage(context, key, line('x'.repeat(3_000)))).rejects.toMatchObject(tooMuch);
    await recountSession({ bus, clock }, key);
    expect(Math.abs((await counted(key, 'bytes')) - bytes)).toBeLessThan(100);
    expect(await createMessage(context, key, line('short'))).toBe(true);
  });

  test('an org has a limit over all of its sessions, and one that counts too much is recounted', async () => {
    const { org } = { ...newKey(), org: newKey().session as never };
    const context = quotaContext({}, { bytesStored: 5_000 });
    const post = (text: string) => createMessage(context, { org, session: newKey().session }, line(text));
    expect(await post('x'.repeat(3_000))).toBe(true);
    await expect(post('x'.repeat(3_000))).rejects.toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringMatching(/^bytesStored of this org: 3\d{3} of 5000 used, this needs 3\d{3}$/),
      retryAfterMs: 60_000,
    });
    expect(await post('short')).toBe(true);
    // As when sessions expire.
    await bus.counters.add({ org, unit: 'bytes' }, 4_000);
    now += 60_000;
    expect(await post('x'.repeat(1_000))).toBe(true);
    expect((await bus.counters.read({ org, unit: 'bytes' }))?.value).toBe(
      await bus.counters.storedBytes(org),
    );
  });

  test('generations of a user have a limit, and one that ends makes room, counted once', async () => {
    const context = quotaContext({ generations: 2 });
    const org = newKey().session as never;
    const ask = (model: string) => createGeneration(context, { ...newKey(), org }, entryOf(model));
    const keys = [newKey(), newKey()].map((key) => ({ ...key, org }));
    for (const key of keys) await createGeneration(context, key, entryOf('two'));
    await expect(ask('two')).rejects.toMatchObject({
      code: 'rate_limited',
      message: 'generations of this user: 2 of 2 used',
      retryAfterMs: 2_000,
    });
    const [first] = keys;
    if (first === undefined) throw new Error('expected a key');
    const ending = Array.from({ length: 3 }, () =>
      endGeneration({ bus, clock }, first, { reason: 'cancelled' }),
    );
    await Promise.all(ending);
    now += 1_000;
    expect(await ask('two')).toMatchObject({ created: true });
    now += 1_000;
    await expect(ask('two')).rejects.toMatchObject({ code: 'rate_limited' });
  });

  test('a count of generations that is too high is corrected from those that are open, once it has rested', async () => {
    const org = newKey().session as never;
    const context = quotaContext({ generations: 3 }, {}, 30);
    await createGeneration(context, { ...newKey(), org }, entryOf('drift'));
    // As an edge leaves it that died between two writes.
    for (const whose of [{ user: 'ann' }, {}])
      await bus.counters.add({ org, ...whose, unit: 'generations' }, 5);
    const isAdmitted = async (): Promise<boolean> => {
      now += 60_000;
      const asking = createGeneration(context, { ...newKey(), org }, entryOf('drift'));
      return asking.then(({ created }) => created).catch(() => false);
    };
    await waitFor(isAdmitted, { what: 'the counter to have rested' });
    expect((await bus.counters.read({ org, user: 'ann', unit: 'generations' }))?.value).toBe(2);
  });

  test('a limit of the minute refuses without another addition until the next one begins', async () => {
    const org = newKey().session as never;
    let additions = 0;
    const add: Bus['counters']['add'] = (name, delta) => {
      additions += 1;
      return bus.counters.add(name, delta);
    };
    const counting = { ...bus, counters: { ...bus.counters, add } };
    const { room } = quotaContext({});
    const quota: OrgQuota = { user: { ...ALL, messagesPerMinute: 1 }, org: ALL };
    const own = new Room({
      ...{ bus: counting, clock, quotaOf: () => quota },
      limits: { maxItemsPerSession: 1_000, maxBytesPerSession: 1e9 },
    });
    now = 600_000;
    const demand = { kind: 'message', user: 'ann', bytes: 10 } as const;
    await own.reserve({ ...newKey(), org }, demand);
    const tooMuch = { code: 'rate_limited', retryAfterMs: 60_000 };
    await expect(own.reserve({ ...newKey(), org }, demand)).rejects.toMatchObject(tooMuch);
    const before = additions;
    await expect(own.reserve({ ...newKey(), org }, demand)).rejects.toMatchObject(tooMuch);
    expect(additions).toBe(before);
    expect(own.refusal({ ...newKey(), org }, demand)).toMatchObject(tooMuch);
    expect(room.refusal({ ...newKey(), org }, demand)).toBeUndefined();
    now += 60_000;
    await own.reserve({ ...newKey(), org }, demand);
  });
});
