import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { INITIAL_SUBSCRIBE_STATE, stepSubscribe } from '../../src/session/subscribe-state.ts';
import type { SubscribeEvent, SubscribeState, SubscribeStep } from '../../src/session/subscribe-state.ts';

const narrow = { observe: false, window: 4 };
const wide = { observe: false, window: 32 };

const run = (...events: readonly SubscribeEvent[]): SubscribeStep =>
  events.reduce<SubscribeStep>((before, event) => stepSubscribe(before.state, event), {
    state: INITIAL_SUBSCRIBE_STATE,
    actions: [],
  });

const live: SubscribeEvent = { type: 'live' };
const lost: SubscribeEvent = { type: 'lost' };
const want: SubscribeEvent = { type: 'subscribe', options: wide };
const follow: SubscribeEvent = { type: 'follow', options: wide };
const subscribed = (rev: number, more = false): SubscribeEvent => ({ type: 'subscribed', rev, more });
const reset = (rev: number, more = false): SubscribeEvent => ({
  ...{ type: 'subscribed', rev, more, store: 'other', reset: true },
});
const listed = (rev: number): SubscribeEvent => ({ type: 'listed', rev });

describe('a session that is wanted', () => {
  test('is subscribed to once the connection is live', () => {
    expect(run(want).actions).toEqual([]);
    expect(run(want, live).actions).toEqual(['subscribe']);
    expect(run(live, want).actions).toEqual(['subscribe']);
  });

  test('is attached after the last page, and knows what lists said', () => {
    const paged = run(live, want, subscribed(5, true));
    expect(paged.actions).toEqual(['subscribe']);
    const { state, actions } = run(live, want, subscribed(5, true), listed(9), subscribed(7));
    expect(actions).toEqual(['attach', 'settle']);
    expect(state).toMatchObject({ type: 'attached', rev: 7 });
    expect(stepSubscribe(state, listed(9)).state.rev).toBe(9);
  });

  test('refuses a page that leads nowhere', () => {
    expect(() => run(live, want, subscribed(5, true), subscribed(5, true))).toThrow('leads nowhere');
  });

  test('in another way than was asked for is asked for again after the answer', () => {
    const other: SubscribeEvent = { type: 'subscribe', options: narrow };
    expect(run(live, want, other).actions).toEqual([]);
    const { state, actions } = run(live, want, other, subscribed(1));
    expect([actions, state.asked]).toEqual([['attach', 'subscribe'], narrow]);
  });

  test('starts over when the server has another store, whether it was asked or not', () => {
    const answered = run(live, want, subscribed(8), lost, live, reset(2));
    expect(answered.actions).toEqual(['attach', 'settle']);
    expect(answered.state).toMatchObject({ rev: 2, store: 'other' });
    const told = run(live, want, subscribed(8), reset(2));
    expect(told.actions).toEqual(['attach', 'settle']);
    expect(told.state).toMatchObject({ type: 'attached', rev: 2, store: 'other' });
    const cut = run(live, want, subscribed(8), reset(2, true));
    expect([cut.actions, cut.state.rev]).toEqual([['subscribe'], 2]);
    expect(stepSubscribe(cut.state, subscribed(4)).actions).toEqual(['attach', 'settle']);
  });

  test('is let go with the last who follows it, unless the application subscribed', () => {
    const followed = [live, follow, follow, subscribed(1), { type: 'unfollow' }] as const;
    expect(run(...followed).actions).toEqual([]);
    expect(run(...followed, { type: 'unfollow' }).actions).toEqual(['detach', 'unsubscribe']);
    expect(run(want, ...followed, { type: 'unfollow' }).actions).toEqual([]);
  });
});

describe('a refusal', () => {
  const refused = (retryable: boolean): SubscribeEvent => ({ type: 'refused', retryable });

  test('for the moment is waited out, unless somebody asks sooner', () => {
    const { state, actions } = run(live, want, refused(true));
    expect([state.type, actions]).toEqual(['waiting', ['detach']]);
    expect(stepSubscribe(state, { type: 'due' }).actions).toEqual(['subscribe']);
    const sooner = stepSubscribe(state, follow);
    expect(sooner.actions).toEqual(['subscribe']);
    expect(stepSubscribe(sooner.state, { type: 'due' }).actions).toEqual([]);
  });

  test('for good ends it', () => {
    const { state, actions } = run(live, want, refused(false));
    expect(actions).toEqual(['detach']);
    expect(state.wanted).toBeUndefined();
  });

  test('of a request that is void already means nothing', () => {
    expect(run(live, want, { type: 'unsubscribe' }, want, refused(false)).actions).toEqual([]);
  });
});

test('an answer to what was left before is not taken for the answer to what was asked after', () => {
  const again = run(live, want, { type: 'unsubscribe' }, want);
  expect(again.actions).toEqual(['subscribe']);
  const stale = stepSubscribe(again.state, subscribed(3));
  expect(stale).toEqual({ state: again.state, actions: [] });
  const { state, actions } = stepSubscribe(stepSubscribe(stale.state, { type: 'left' }).state, subscribed(3));
  expect([state.type, actions]).toEqual(['attached', ['attach', 'settle']]);
});

const anyOptions = fc.constantFrom(narrow, wide, { observe: true, window: 32 });
const anyEvent: fc.Arbitrary<SubscribeEvent> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<SubscribeEvent>(live, lost) },
  fc.constantFrom<SubscribeEvent>(
    { type: 'unsubscribe' },
    { type: 'refresh' },
    { type: 'due' },
    { type: 'left' },
    { type: 'unfollow' },
  ),
  fc.record({ type: fc.constant('subscribe' as const), options: anyOptions }),
  { weight: 2, arbitrary: fc.record({ type: fc.constant('follow' as const), options: anyOptions }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('subscribed' as const),
      rev: fc.nat(20),
      more: fc.boolean(),
      reset: fc.boolean(),
    }),
  },
  fc.record({ type: fc.constant('listed' as const), rev: fc.nat(20) }),
  fc.record({
    type: fc.constant('refused' as const),
    retryable: fc.boolean(),
  }),
);

/** Whether the event answers the `subscribe` that is in flight, or makes it void. */
const settles = (before: SubscribeState, event: SubscribeEvent): boolean =>
  event.type === 'lost' ||
  ((event.type === 'subscribed' || event.type === 'refused') && before.leaving === 0);

test('whatever happens: one subscribe in flight, no position that goes back, one subscribe after a reconnect', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
      let state: SubscribeState = INITIAL_SUBSCRIBE_STATE;
      let inFlight = false;
      for (const event of events) {
        // A connection is live once, then lost: the order its owner keeps to.
        if (event.type === 'live' && state.isLive) continue;
        // A page that leads nowhere is refused, see below.
        if (event.type === 'subscribed' && event.more && event.rev === state.rev) continue;
        const before: SubscribeState = state;
        const { state: after, actions } = stepSubscribe(before, event);
        const asked = actions.filter((action) => action === 'subscribe').length;
        if (settles(before, event) || actions.includes('unsubscribe')) inFlight = false;
        expect(asked).toBeLessThanOrEqual(inFlight ? 0 : 1);
        inFlight ||= asked === 1;
        expect(inFlight).toBe(after.type === 'subscribing');
        const isReset = event.type === 'subscribed' && event.reset === true;
        if (!isReset) expect(after.rev).toBeGreaterThanOrEqual(before.rev);
        if (event.type === 'live') expect(asked).toBe(before.wanted === undefined ? 0 : 1);
        if (after.type === 'subscribing' || after.type === 'attached') {
          expect(after.isLive).toBe(true);
          expect(after.wanted).toBeDefined();
        }
        if (actions.includes('settle'))
          expect(after).toMatchObject({ type: 'attached', asked: after.wanted });
        if (after.type === 'attached' && before.type !== 'attached') expect(event.type).toBe('subscribed');
        expect(after.leaving).toBeGreaterThanOrEqual(0);
        state = after;
      }
    }),
    { numRuns: 1_000 },
  );
});
