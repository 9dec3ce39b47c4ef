import { describe, expect, test } from '@jest/globals';
import { CLOSE_CODES } from '@sluice/protocol';
import fc from 'fast-check';
import {
  DEFAULT_BACKOFF,
  INITIAL_RECONNECT_STATE,
  stepReconnect,
} from '../../src/connection/reconnect-state.ts';
import type {
  ReconnectContext,
  ReconnectEvent,
  ReconnectState,
} from '../../src/connection/reconnect-state.ts';
import { statusOf } from '../../src/connection/status.ts';

const context = (fields: Partial<ReconnectContext> = {}): ReconnectContext => ({
  now: 0,
  random: 0.5,
  backoff: DEFAULT_BACKOFF,
  refreshable: true,
  ...fields,
});

const run = (events: readonly ReconnectEvent[], fields: Partial<ReconnectContext> = {}): ReconnectState =>
  events.reduce(
    (state, event) => stepReconnect(state, event, context(fields)).state,
    INITIAL_RECONNECT_STATE,
  );

const toLive: readonly ReconnectEvent[] = [{ type: 'start' }, { type: 'opening' }, { type: 'ready' }];
const lost = (code: number): ReconnectEvent => ({ type: 'lost', code, reason: '' });

describe('close codes', () => {
  test.each([
    [CLOSE_CODES.normal, 'closed'],
    [CLOSE_CODES.goingAway, 'waiting'],
    [1005, 'waiting'],
    [1006, 'waiting'],
    [1011, 'waiting'],
    [CLOSE_CODES.restart, 'waiting'],
    [CLOSE_CODES.tryLater, 'waiting'],
    [4000, 'waiting'],
    [CLOSE_CODES.heartbeatMissed, 'waiting'],
    [CLOSE_CODES.tooSlow, 'waiting'],
    [4399, 'waiting'],
    [CLOSE_CODES.badFrames, 'closed'],
    [CLOSE_CODES.forbidden, 'closed'],
    [CLOSE_CODES.authTimeout, 'closed'],
    [CLOSE_CODES.tooLarge, 'closed'],
    [CLOSE_CODES.abuse, 'closed'],
    [4499, 'closed'],
    [4500, 'waiting'],
  ])('%i while live leads to %s', (code, type) => {
    expect(run([...toLive, lost(code)]).type).toBe(type);
  });

  test('4401 fetches a fresh credential once and then gives up', () => {
    const first = stepReconnect(run(toLive), lost(CLOSE_CODES.credential), context());
    expect(first.actions).toEqual([{ type: 'open', freshToken: true }]);
    expect(stepReconnect(first.state, lost(CLOSE_CODES.credential), context()).state).toMatchObject({
      type: 'closed',
      code: 4401,
    });
  });

  test('4401 gives up at once when the credential is fixed', () => {
    expect(run([...toLive, lost(4401)], { refreshable: false })).toMatchObject({
      type: 'closed',
      code: 4401,
    });
  });

  test('4401 after a stable connection is worth another fresh credential', () => {
    let { state } = stepReconnect(run(toLive), lost(4401), context());
    for (const event of toLive.slice(1)) state = stepReconnect(state, event, context()).state;
    const { actions } = stepReconnect(state, lost(4401), context({ now: DEFAULT_BACKOFF.stableMs }));
    expect(actions).toEqual([{ type: 'open', freshToken: true }]);
  });
});

describe('delays', () => {
  const delays = (code: number, random: number): number[] => {
    let state = run([{ type: 'start' }]);
    return Array.from({ length: 9 }, () => {
      state = stepReconnect(state, lost(code), context({ random })).state;
      const delay = state.until ?? -1;
      state = stepReconnect(state, { type: 'due' }, context({ now: delay })).state;
      return delay;
    });
  };

  test('double from 250 ms to 10 s, with full jitter', () => {
    expect(delays(1006, 0.9999).map(Math.round)).toEqual([
      250, 500, 1000, 2000, 4000, 7999, 9999, 9999, 9999,
    ]);
    expect(delays(1006, 0)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test('1013 never tries again at once', () => {
    expect(delays(1013, 0).slice(0, 4)).toEqual([1000, 2000, 4000, 5000]);
  });

  test('goaway names the delay and nothing shortens it', () => {
    const state = run([...toLive, { type: 'goaway', reconnectMs: 3_333 }, lost(1012)]);
    expect(state).toMatchObject({ type: 'waiting', until: 3_333, patient: true });
    for (const type of ['online', 'visible'] as const)
      expect(stepReconnect(state, { type }, context()).state.type).toBe('waiting');
  });

  test('what is left of a goaway when the server closes is all that is waited', () => {
    const told = run([...toLive, { type: 'goaway', reconnectMs: 3_000 }]);
    const waits = [1_000, 2_990, 3_500].map(
      (now) => stepReconnect(told, lost(1012), context({ now })).state.until,
    );
    expect(waits).toEqual([3_000, 3_000, 3_500]);
  });

  test('only a stable connection starts the count anew', () => {
    const live = { ...run(toLive), attempt: 4 } as ReconnectState;
    const early = stepReconnect(live, lost(1006), context({ now: DEFAULT_BACKOFF.stableMs - 1 }));
    const late = stepReconnect(live, lost(1006), context({ now: DEFAULT_BACKOFF.stableMs }));
    expect([early.state.attempt, late.state.attempt]).toEqual([5, 1]);
  });
});

test('a server that breaks the protocol is left alone ever longer, and never given up', () => {
  let state = run(toLive);
  let now = 0;
  const pauses = Array.from({ length: 9 }, () => {
    const next = stepReconnect(state, { type: 'violated', reason: 'hole' }, context({ now, random: 0.9999 }));
    expect(next.actions).toEqual([{ type: 'drop', code: 4000, reason: 'protocol violation' }]);
    const since = now;
    now = next.state.until ?? now;
    state = [{ type: 'due' } as const, ...toLive.slice(1)].reduce(
      (before, event) => stepReconnect(before, event, context({ now })).state,
      next.state,
    );
    return Math.round(now - since);
  });
  expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 7999, 9999, 9999, 9999]);
  expect(state.type).toBe('live');
});

test('a page that comes back from the cache connects at once, one that goes there lets go', () => {
  const hidden = stepReconnect(run(toLive), { type: 'pagehide' }, context());
  expect(hidden.actions).toEqual([{ type: 'drop', code: 1000, reason: 'page suspended' }]);
  expect(stepReconnect(hidden.state, { type: 'pageshow' }, context()).actions).toEqual([
    { type: 'open', freshToken: false },
  ]);
});

const events: fc.Arbitrary<ReconnectEvent> = fc.oneof(
  fc
    .constantFrom('start', 'opening', 'ready', 'due', 'online', 'offline', 'visible', 'pagehide', 'pageshow')
    .map((type) => ({ type }) as ReconnectEvent),
  fc.nat(20_000).map((reconnectMs) => ({ type: 'goaway', reconnectMs }) as const),
  fc
    .constantFrom(1000, 1001, 1006, 1012, 1013, 4008, 4401, 4403)
    .map((code) => ({ type: 'lost', code, reason: '' }) as const),
  fc.constant({ type: 'violated', reason: 'hole' } as const),
);

test('whatever happens: one link at a time, every wait ends, closed is final', () => {
  const history = fc.array(fc.tuple(events, fc.nat(12_000), fc.double({ min: 0, max: 0.999, noNaN: true })));
  fc.assert(
    fc.property(history, fc.boolean(), (steps, refreshable) => {
      let state: ReconnectState = INITIAL_RECONNECT_STATE;
      let now = 0;
      let open = 0;
      for (const [event, ms, random] of [[{ type: 'start' } as const, 0, 0] as const, ...steps]) {
        now += ms;
        const before = state;
        const next = stepReconnect(before, event, context({ now, random, refreshable }));
        if (event.type === 'lost' && (before.type === 'connecting' || before.type === 'live')) open -= 1;
        for (const action of next.actions)
          open += action.type === 'open' ? 1 : action.type === 'drop' ? -1 : 0;
        state = next.state;
        expect(open).toBe(state.type === 'connecting' || state.type === 'live' ? 1 : 0);
        if (before.type === 'closed') expect(next).toEqual({ state: before, actions: [] });
        if (state.type === 'waiting' || state.type === 'offline') {
          const until = state.until;
          expect(stepReconnect(state, { type: 'due' }, context({ now: until })).actions[0]?.type).toBe(
            'open',
          );
        }
        expect(statusOf(state, now).type).toBeDefined();
      }
    }),
    { numRuns: 500 },
  );
});
