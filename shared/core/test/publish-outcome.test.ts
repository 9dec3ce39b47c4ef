import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { onHeadFinding, onPublishOutcome, PUBLISH_RETRY_MS, publishStarted } from '../src/index.ts';
import type { HeadFinding, PublishAction, PublishOutcome, PublishState } from '../src/index.ts';

const unknown: PublishOutcome = { type: 'unknown', detail: 'timeout' };
const limit: PublishOutcome = { type: 'limit', detail: 'maximum bytes exceeded' };
const refusal: PublishOutcome = { type: 'wrong_sequence' };

/** The actions that a list of outcomes and findings leads to, all at one moment. */
const actionsOf = (steps: readonly (PublishOutcome | HeadFinding)[], now = 0): PublishAction[] => {
  let state = publishStarted(0);
  return steps.map((step) => {
    const isFinding = step.type === 'ours' || step.type === 'previous' || step.type === 'newer';
    const next = isFinding ? onHeadFinding(state, step, now) : onPublishOutcome(state, step, now);
    state = next.state;
    return next.action;
  });
};

const lastOf = (...steps: (PublishOutcome | HeadFinding)[]): PublishAction | undefined =>
  actionsOf(steps).at(-1);

describe('the outcome', () => {
  test('stored, by this try or an earlier one, advances with the sequence that NATS gave', () => {
    expect(lastOf({ type: 'stored', sequence: 7 })).toEqual({ type: 'advance', sequence: 7 });
    expect(lastOf(unknown, { type: 'stored', sequence: 7 })).toEqual({ type: 'advance', sequence: 7 });
  });

  test('unknown is retried with a pause that doubles from 50 ms to 1 s', () => {
    const pauses = actionsOf(Array.from({ length: 40 }, () => unknown)).map((action) =>
      action.type === 'retry' ? action.afterMs : undefined,
    );
    expect(pauses.slice(0, 7)).toEqual([50, 100, 200, 400, 800, 1_000, 1_000]);
    expect(new Set(pauses.slice(7))).toEqual(new Set([1_000]));
  });

  test('unknown without a connection is retried without end; the time to give up begins with the connection', () => {
    const offline: PublishOutcome = { type: 'unknown', detail: 'not connected', isOffline: true };
    const back = 10 * PUBLISH_RETRY_MS;
    const { state, action } = onPublishOutcome(publishStarted(0), offline, back);
    expect(action.type).toBe('retry');
    expect(onPublishOutcome(state, unknown, back + PUBLISH_RETRY_MS - 1).action.type).toBe('retry');
    expect(onPublishOutcome(state, unknown, back + PUBLISH_RETRY_MS).action.type).toBe('give_up');
  });

  test('in process is retried after 20 to 50 ms', () => {
    const action = lastOf({ type: 'in_process' });
    expect(action?.type).toBe('retry');
    expect(action?.type === 'retry' && action.afterMs >= 20 && action.afterMs <= 50).toBe(true);
  });

  test('wrong sequence proves nothing: the head is read, and says', () => {
    expect(lastOf(refusal)).toEqual({ type: 'read_head' });
    expect(lastOf(refusal, { type: 'ours', sequence: 9 })).toEqual({ type: 'advance', sequence: 9 });
    expect(lastOf(refusal, { type: 'previous' })).toMatchObject({ type: 'retry' });
    expect(lastOf(refusal, { type: 'newer' })).toEqual({ type: 'fenced' });
  });

  test('limit on the first try is refused for good', () => {
    expect(lastOf(limit)).toEqual({ type: 'refused', detail: 'maximum bytes exceeded' });
  });

  test('limit on a retry is refused only once the head shows that no earlier try was stored', () => {
    expect(lastOf(unknown, limit)).toEqual({ type: 'read_head' });
    expect(lastOf(unknown, limit, { type: 'ours', sequence: 3 })).toEqual({ type: 'advance', sequence: 3 });
    expect(lastOf(unknown, limit, { type: 'newer' })).toEqual({ type: 'fenced' });
    expect(lastOf(unknown, limit, { type: 'previous' })).toEqual({
      type: 'refused',
      detail: 'maximum bytes exceeded',
    });
  });
});

describe('after the retry time', () => {
  const late = (step: PublishOutcome, now: number): PublishAction =>
    onPublishOutcome({ tries: 40, since: 0 }, step, now).action;

  test.each([
    ['unknown', unknown],
    ['in process', { type: 'in_process' } as const],
  ])('an outcome that stays %s is given up', (_, outcome) => {
    expect(late(outcome, PUBLISH_RETRY_MS - 1).type).toBe('retry');
    expect(late(outcome, PUBLISH_RETRY_MS).type).toBe('give_up');
  });

  test('a leader that keeps refusing although nothing is newer is given up', () => {
    const state: PublishState = { tries: 40, since: 0 };
    expect(onHeadFinding(state, { type: 'previous' }, PUBLISH_RETRY_MS - 1).action.type).toBe('retry');
    expect(onHeadFinding(state, { type: 'previous' }, PUBLISH_RETRY_MS).action.type).toBe('give_up');
  });

  test('what is known still counts: stored advances, a newer attempt fences', () => {
    expect(late({ type: 'stored', sequence: 4 }, 99_999)).toEqual({ type: 'advance', sequence: 4 });
    const finding = onHeadFinding({ tries: 40, since: 0 }, { type: 'newer' }, 99_999);
    expect(finding.action).toEqual({ type: 'fenced' });
  });
});

type Fault =
  | 'none'
  | 'ack_lost'
  | 'request_lost'
  | 'stored_later'
  | 'in_process'
  | 'stale_leader'
  | 'limit'
  | 'newer_attempt';

const FAULTS: readonly Fault[] = [
  'none',
  'ack_lost',
  'request_lost',
  'stored_later',
  'in_process',
  'stale_leader',
  'limit',
  'newer_attempt',
];

type Message = { readonly by: 'us' | 'newer'; readonly record: number };

/** One subject of a stream that fails as NATS was seen to fail. Every publish draws its fault. */
class ModelNats {
  readonly stored: Message[] = [];
  #delayed: { readonly record: number; readonly expected: number } | undefined;

  /** Sequence of the last message, 0 when empty. */
  get last(): number {
    return this.stored.length;
  }

  publish(record: number, expected: number, fault: Fault): PublishOutcome {
    if (fault === 'newer_attempt' && this.stored.at(-1)?.by !== 'newer')
      this.stored.push({ by: 'newer', record });
    if (fault === 'request_lost') return unknown;
    if (fault === 'in_process') return { type: 'in_process' };
    if (fault === 'stale_leader') return refusal;
    if (fault === 'limit') return limit;
    if (fault === 'stored_later') {
      this.#delayed ??= { record, expected };
      return unknown;
    }
    if (!this.#store(record, expected)) return refusal;
    return fault === 'ack_lost' ? unknown : { type: 'stored', sequence: this.last };
  }

  /** A try that timed out earlier gets through now; the expected sequence is checked now, too. */
  flushDelayed(): void {
    if (this.#delayed === undefined) return;
    this.#store(this.#delayed.record, this.#delayed.expected);
    this.#delayed = undefined;
  }

  head(record: number, expected: number): HeadFinding {
    const head = this.stored.at(-1);
    if (this.last === expected) return { type: 'previous' };
    if (head?.by === 'us' && head.record === record) return { type: 'ours', sequence: this.last };
    return { type: 'newer' };
  }

  #store(record: number, expected: number): boolean {
    if (expected !== this.last) return false;
    this.stored.push({ by: 'us', record });
    return true;
  }
}

test('over a NATS that fails in every known way, records are stored once, in order, and never after a fence', () => {
  const anyFaults = fc.array(fc.constantFrom(...FAULTS.slice(0, 6)), { maxLength: 60, size: 'max' });
  const anyLast = fc.constantFrom<Fault>('none', 'none', 'limit', 'newer_attempt', 'request_lost');
  fc.assert(
    fc.property(anyFaults, anyLast, fc.boolean(), (faults, last, delivers) => {
      const nats = new ModelNats();
      let [now, expected, record, tries] = [0, 0, 0, 0];
      let stop: PublishAction['type'] | undefined;
      let state = publishStarted(now);
      // When the drawn faults are used up, the last one stays.
      while (stop === undefined && record < 20) {
        const fault = faults[tries] ?? last;
        tries += 1;
        if (delivers) nats.flushDelayed();
        let step = onPublishOutcome(state, nats.publish(record, expected, fault), now);
        if (step.action.type === 'read_head')
          step = onHeadFinding(step.state, nats.head(record, expected), now);
        state = step.state;
        now += 5;
        const { action } = step;
        if (action.type === 'advance') {
          // Never advances without being stored, and knows the true sequence.
          expect(nats.stored[action.sequence - 1]).toEqual({ by: 'us', record });
          expected = action.sequence;
          record += 1;
          state = publishStarted(now);
        } else if (action.type === 'retry') now += action.afterMs;
        else stop = action.type;
        if (stop === 'give_up') expect(now - state.since).toBeGreaterThanOrEqual(PUBLISH_RETRY_MS);
      }
      nats.flushDelayed();
      const ours = nats.stored.filter(({ by }) => by === 'us').map((message) => message.record);
      expect(ours).toEqual(ours.map((_, i) => i)); // each once, in order
      const fence = nats.stored.findIndex(({ by }) => by === 'newer');
      if (fence !== -1) expect(nats.stored.slice(fence).every(({ by }) => by === 'newer')).toBe(true);
      if (fence !== -1 && record < 20) expect(stop).toBe('fenced');
      if (stop === 'fenced') expect(fence).not.toBe(-1);
      if (stop === 'refused') expect(last).toBe('limit');
      // The one in question may be stored after all when it was given up: unknown, not failed.
      expect(ours.length - record).toBeLessThanOrEqual(1);
      expect(ours.length).toBeGreaterThanOrEqual(record);
    }),
    { numRuns: 2_000 },
  );
});
