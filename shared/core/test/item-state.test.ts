import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ItemStatus } from '@sluice/protocol';
import { adopt, claim, finish, park, requeue, spend } from '../src/index.ts';
import type { StoredGeneration } from '../src/index.ts';

type Transition =
  'claim' | 'requeue' | 'adopt' | 'spend' | 'park' | 'park_by_older' | 'park_by_newer' | 'finish';

const at = { epoch: 1, seq: 7 };
const NOW = 1_790_000_000_000;
const parking = { at, transcript: { text: 'so far' }, now: NOW };

const apply = (item: StoredGeneration, transition: Transition): StoredGeneration | undefined => {
  switch (transition) {
    case 'claim':
      return claim(item, 'w2');
    case 'requeue':
      return requeue(item);
    case 'adopt':
      return adopt(item, at.seq);
    case 'spend':
      return spend(item);
    case 'park':
      return park(item, item.attempt, parking);
    case 'park_by_older':
      return park(item, item.attempt - 1, parking);
    case 'park_by_newer':
      return park(item, item.attempt + 1, parking);
    case 'finish':
      return finish(item, { reason: 'stop' }, at, { text: 'hello' });
  }
};

const itemIn = (status: ItemStatus): StoredGeneration => ({
  id: 'g1',
  kind: 'generation',
  user: 'ann',
  createdAt: 1,
  model: 'm',
  input: 'hi',
  governor: 'fastest',
  status,
  attempt: status === 'queued' ? 0 : 1,
  epoch: 0,
  seq: 0,
  ...(status === 'running' ? { worker: 'w1' } : {}),
});

/** Every state x every transition: where it leads, or undefined where it is not allowed. */
const TRUTH: Record<ItemStatus, Record<Transition, ItemStatus | undefined>> = {
  queued: {
    claim: 'running',
    requeue: undefined,
    adopt: undefined,
    spend: 'queued',
    park: undefined,
    park_by_older: undefined,
    park_by_newer: undefined,
    finish: 'done',
  },
  running: {
    claim: undefined,
    requeue: 'queued',
    adopt: 'queued',
    spend: undefined,
    park: 'parked',
    park_by_older: undefined,
    park_by_newer: undefined,
    finish: 'done',
  },
  parked: {
    claim: undefined,
    requeue: 'queued',
    adopt: undefined,
    spend: undefined,
    park: undefined,
    park_by_older: undefined,
    park_by_newer: undefined,
    finish: 'done',
  },
  done: {
    claim: undefined,
    requeue: undefined,
    adopt: undefined,
    spend: undefined,
    park: undefined,
    park_by_older: undefined,
    park_by_newer: undefined,
    finish: undefined,
  },
};

const cases = Object.entries(TRUTH).flatMap(([status, row]) =>
  Object.entries(row).map(([transition, next]) => [status, transition, next] as const),
) as [ItemStatus, Transition, ItemStatus | undefined][];

test.each(cases)('%s by %s is %s', (status, transition, next) => {
  expect(apply(itemIn(status), transition)?.status).toBe(next);
});

describe('a transition', () => {
  test('claims with the next attempt and the worker that holds it', () => {
    expect(claim(itemIn('queued'), 'w2')).toMatchObject({ attempt: 1, worker: 'w2' });
  });

  test('that stops running keeps no worker', () => {
    for (const transition of ['requeue', 'adopt', 'park', 'finish'] as const)
      expect(apply(itemIn('running'), transition)).not.toHaveProperty('worker');
  });

  test('that adopts counts a crash, one that hands over does not', () => {
    const once = adopt(itemIn('running'), 7);
    expect(once).toMatchObject({ status: 'queued', crashes: 1, crashSeq: 7, allCrashes: 1 });
    const again = adopt({ ...itemIn('running'), crashes: 2, crashSeq: 7, allCrashes: 5 }, 7);
    expect(again).toMatchObject({ crashes: 3, crashSeq: 7, allCrashes: 6 });
    expect(requeue({ ...itemIn('running'), crashes: 2 })).toMatchObject({ crashes: 2 });
  });

  test('that spends an attempt nobody began counts it among all crashes alone', () => {
    const before = { ...itemIn('queued'), crashes: 2, crashSeq: 7, allCrashes: 4 };
    expect(spend(before)).toEqual({ ...before, attempt: 1, allCrashes: 5 });
  });

  test('says since when it is parked, and forgets it when it goes on or ends', () => {
    const parked = park(itemIn('running'), 1, parking) as StoredGeneration;
    expect(parked).toMatchObject({ parkedAt: NOW, text: 'so far' });
    expect(requeue(parked)).not.toHaveProperty('text');
    expect(requeue(parked)).not.toHaveProperty('parkedAt');
    expect(finish(parked, { reason: 'abandoned' }, at, { text: '' })).not.toHaveProperty('parkedAt');
  });

  test('takes of a position only its epoch and seq', () => {
    const ack = { type: 'ack', user: 'mallory', epoch: 1, seq: 7 };
    expect(park(itemIn('running'), 1, { ...parking, at: ack })).toMatchObject({
      user: 'ann',
      epoch: 1,
      seq: 7,
    });
    expect(park(itemIn('running'), 1, { ...parking, at: ack })).not.toHaveProperty('type');
    expect(finish(itemIn('running'), { reason: 'stop' }, ack, { text: '' })).not.toHaveProperty('type');
  });

  test('to done carries everything the log said', () => {
    const end = { reason: 'tool_calls', usage: { completion_tokens: 7 } } as const;
    const transcript = { text: 'a', reasoning: 'b', toolCalls: [{ id: 'c', name: 'f', arguments: '{}' }] };
    expect(finish(itemIn('running'), end, at, transcript)).toMatchObject({
      ...end,
      ...transcript,
      ...at,
      status: 'done',
    });
  });

  test('leaves the item it was given as it was', () => {
    for (const [status, transition] of cases) {
      const item = Object.freeze(itemIn(status));
      apply(item, transition);
      expect(item).toEqual(itemIn(status));
    }
  });
});

test('over any path attempts never fall, only a claim or a spent job raises them by one, identity stays, done is final', () => {
  const anyPath = fc.array(fc.constantFrom(...(Object.keys(TRUTH.done) as Transition[])), {
    maxLength: 40,
    size: 'max',
  });
  fc.assert(
    fc.property(anyPath, (path) => {
      let item = itemIn('queued');
      for (const transition of path) {
        const next = apply(item, transition);
        if (item.status === 'done') expect(next).toBeUndefined();
        if (next === undefined) continue;
        const isNext = transition === 'claim' || transition === 'spend';
        expect(next.attempt).toBe(item.attempt + (isNext ? 1 : 0));
        expect(next.status === 'running').toBe(next.worker !== undefined);
        const { id, user, createdAt, model, input, governor } = itemIn('queued');
        expect(next).toMatchObject({ id, user, createdAt, model, input, governor });
        item = next;
      }
    }),
    { numRuns: 1_000 },
  );
});
