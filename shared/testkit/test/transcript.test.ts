import { describe, expect, test } from '@jest/globals';
import type { DeltaFrame, EndFrame, ServerFrame, SubscribedFrame } from '@sluice/protocol';
import { checkTranscript, sha256 } from '../src/index.ts';
import type { ReceivedFrames, TranscriptReport } from '../src/index.ts';

const ids = { session: 's', generation: 'g' } as const;
const TOKENS = Array.from({ length: 12 }, (_, i) => `t${i + 1} `);
const textUpTo = (seq: number): string => TOKENS.slice(0, seq).join('');

const delta = (from: number, seq: number, extra: Partial<DeltaFrame> = {}): DeltaFrame => ({
  type: 'delta',
  ...ids,
  epoch: 0,
  from,
  seq,
  text: TOKENS.slice(from, seq).join(''),
  at: 0,
  ...extra,
});
const end = (seq: number, extra: Partial<EndFrame> = {}): EndFrame => ({
  type: 'end',
  ...ids,
  epoch: 0,
  seq,
  reason: 'stop',
  ...extra,
});
const reset = (epoch: number): ServerFrame => ({ type: 'reset', ...ids, epoch, reason: 'worker lost' });
const subscribed = (item: object = {}): SubscribedFrame => {
  const done = {
    id: 'g',
    kind: 'generation',
    rev: 1,
    user: 'ann',
    createdAt: 0,
    model: 'm',
    input: '',
    governor: 'fastest',
    status: 'done',
    attempt: 1,
    epoch: 0,
    seq: 12,
    text: textUpTo(12),
    reason: 'stop',
    ...item,
  } as const;
  return { type: 'subscribed', session: 's', rev: 1, viewers: 1, items: [done] };
};

const check = (...attachments: ReceivedFrames[]): TranscriptReport => checkTranscript('g', attachments);
const GOOD = [delta(0, 3), delta(3, 4), delta(4, 9), delta(9, 12), end(12)];

describe('faultless transcripts', () => {
  test('one attachment gives the text and no violation', () => {
    expect(check({ frames: GOOD })).toMatchObject({
      text: textUpTo(12),
      epoch: 0,
      seq: 12,
      reason: 'stop',
      ends: 1,
      wireDuplicates: 0,
      holes: 0,
      overlaps: 0,
      violations: [],
    });
  });

  test('frames of other generations and kinds do not matter', () => {
    const other = delta(7, 9, { generation: 'other' });
    const report = check({ frames: [{ type: 'pong' }, other, ...GOOD] });
    expect(report.violations).toEqual([]);
    expect(report.text).toBe(textUpTo(12));
  });

  test('a reconnect continues at the position it names', () => {
    const report = check(
      { frames: GOOD.slice(0, 2) },
      { frames: [delta(4, 12), end(12)], given: { epoch: 0, seq: 4 } },
    );
    expect(report).toMatchObject({ text: textUpTo(12), wireDuplicates: 0, violations: [] });
  });

  test('a reconnect from an older position is legal, and its duplicates on the wire are counted', () => {
    const report = check(
      { frames: GOOD.slice(0, 3) },
      { frames: [delta(4, 12), end(12)], given: { epoch: 0, seq: 4 } },
    );
    expect(report).toMatchObject({ text: textUpTo(12), wireDuplicates: 5, overlaps: 0, violations: [] });
  });

  test('a reset starts the text again', () => {
    const second = [delta(0, 2, { epoch: 1 }), end(2, { epoch: 1 })];
    const report = check({ frames: [delta(0, 3), reset(1), ...second] });
    expect(report).toMatchObject({ text: textUpTo(2), epoch: 1, seq: 2, wireDuplicates: 0, violations: [] });
  });

  test('a position that the log never had is answered by reset (R2)', () => {
    const frames = [reset(0), delta(0, 12), end(12)];
    expect(check({ frames, given: { epoch: 0, seq: 40 } }).violations).toEqual([]);
  });

  test('a late reader may begin in any epoch', () => {
    const frames = [delta(0, 12, { epoch: 2 }), end(12, { epoch: 2 })];
    expect(check({ frames }).violations).toEqual([]);
  });

  test('kinds are kept apart', () => {
    const frames = [
      delta(0, 1, { kind: 'reasoning', text: 'hm' }),
      delta(1, 2, { kind: 'tool_call', text: '{"a":', tool: { index: 0, id: 'c', name: 'f' } }),
      delta(2, 3, { kind: 'tool_call', text: '1}', tool: { index: 0 } }),
      delta(3, 4, { text: 'yes' }),
      end(4),
    ];
    const report = check({ frames });
    expect(report).toMatchObject({ text: 'yes', reasoning: 'hm', violations: [] });
    expect(report.toolCalls.get(0)).toBe('{"a":1}');
  });

  test('the item alone tells a generation that was done already (R7), also with an end (R3)', () => {
    for (const frames of [[subscribed()], [subscribed(), end(12)]]) {
      expect(check({ frames })).toMatchObject({
        text: textUpTo(12),
        seq: 12,
        reason: 'stop',
        violations: [],
      });
    }
  });
});

describe('mutations of a faultless transcript are caught', () => {
  const found = (attachments: ReceivedFrames[]): Partial<TranscriptReport> =>
    checkTranscript('g', attachments);

  test.each([0, 1, 2, 3])('frame %i lost', (index) => {
    const report = found([{ frames: GOOD.toSpliced(index, 1) }]);
    expect(report.holes).toBeGreaterThan(0);
    expect(report.violations).toHaveLength(1);
    expect(report.text).not.toBe(textUpTo(12));
  });

  test.each([0, 1, 2, 3])('frame %i twice', (index) => {
    const frame = GOOD[index] as DeltaFrame;
    const report = found([{ frames: GOOD.toSpliced(index, 0, frame) }]);
    expect(report).toMatchObject({
      overlaps: frame.seq - frame.from,
      wireDuplicates: frame.seq - frame.from,
    });
    expect(report.violations).toHaveLength(1);
  });

  test.each([0, 1, 2])('frames %i and the next swapped', (index) => {
    const frames = GOOD.toSpliced(index, 2, GOOD[index + 1] as DeltaFrame, GOOD[index] as DeltaFrame);
    const report = found([{ frames }]);
    expect(report.holes).toBeGreaterThan(0);
    expect(report.overlaps).toBeGreaterThan(0);
  });

  const broken: [string, ReceivedFrames[]][] = [
    ['one token skipped', [{ frames: [delta(0, 3), delta(4, 12), end(12)] }]],
    ['one token repeated', [{ frames: [delta(0, 3), delta(2, 12), end(12)] }]],
    ['the first token skipped', [{ frames: [delta(1, 12), end(12)] }]],
    ['an end too early', [{ frames: [...GOOD.slice(0, 3), end(12)] }]],
    ['an end behind the deltas', [{ frames: [...GOOD.slice(0, 4), end(11)] }]],
    ['two ends', [{ frames: [...GOOD, end(12)] }]],
    ['a delta after the end', [{ frames: [delta(0, 9), end(9), delta(9, 12)] }]],
    ['an end in another epoch', [{ frames: [delta(0, 12), end(12, { epoch: 1 })] }]],
    [
      'an epoch without reset',
      [{ frames: [delta(0, 3), delta(0, 12, { epoch: 1 }), end(12, { epoch: 1 })] }],
    ],
    ['a reset back', [{ frames: [delta(0, 3, { epoch: 2 }), reset(1)] }]],
    ['an empty delta', [{ frames: [delta(0, 3), delta(3, 3)] }]],
    [
      'a resume too late',
      [{ frames: [delta(0, 4)] }, { frames: [delta(5, 12)], given: { epoch: 0, seq: 4 } }],
    ],
    [
      'a resume too early',
      [{ frames: [delta(0, 4)] }, { frames: [delta(3, 12)], given: { epoch: 0, seq: 4 } }],
    ],
    [
      'a replay from 0 unasked',
      [{ frames: [delta(0, 4)] }, { frames: [delta(0, 12)], given: { epoch: 0, seq: 4 } }],
    ],
    [
      'a client that names more than it had',
      [{ frames: [delta(0, 4)] }, { frames: [delta(6, 12), end(12)], given: { epoch: 0, seq: 6 } }],
    ],
    [
      'two ends that differ',
      [{ frames: GOOD }, { frames: [end(12, { reason: 'length' })], given: { epoch: 0, seq: 12 } }],
    ],
    ['an item whose text differs', [{ frames: GOOD }, { frames: [subscribed({ text: 'other' })] }]],
  ];
  test.each(broken)('%s', (_name, attachments) => {
    expect(found(attachments).violations).toHaveLength(1);
  });

  test('a client that names more than it had leaves a hole of the difference', () => {
    const resumed = { frames: [delta(6, 12), end(12)], given: { epoch: 0, seq: 6 } };
    expect(found([{ frames: [delta(0, 4)] }, resumed]).holes).toBe(2);
  });
});

test('sha256 is that of the UTF-8 bytes', () => {
  expect(sha256('é')).toBe('4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c');
});
