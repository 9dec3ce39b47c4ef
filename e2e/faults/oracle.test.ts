import { describe, expect, test } from '@jest/globals';
import type { ServerFrame, StoredRecord, TokenRecord } from '@sluice/protocol';
import { markedToken } from './history.ts';
import type { History, ViewedConnection } from './history.ts';
import { explain, judge } from './oracle.ts';
import type { FindingKind } from './finding.ts';

/** Hand-made histories of six tokens in two chunks, each bad in one way. */
const KEY = { org: 'acme', session: 's', generation: 'g' };
const WATERMARK = 'acme.s.g';

const tokens = (from: number, to: number, watermark = WATERMARK): string[] =>
  Array.from({ length: to - from }, (_, i) => markedToken(watermark, from + i + 1));

const record = (sequence: number, fields: Partial<TokenRecord>): StoredRecord => ({
  sequence,
  chunk: (fields.base ?? 0) > 0 ? 1 : 0,
  record: { v: 2, epoch: 0, attempt: 1, base: 0, at: 0, tokens: [], ...fields },
});

const LOG = [
  record(1, { tokens: tokens(0, 2) }),
  record(2, { tokens: tokens(0, 4) }),
  record(3, { base: 4, tokens: tokens(4, 6), end: { reason: 'stop' } }),
];

const delta = (from: number, seq: number, text = tokens(from, seq).join('')): ServerFrame => ({
  ...{ type: 'delta', session: 's', generation: 'g', epoch: 0, from, seq, text, at: 0 },
});
const end = (seq = 6, reason: 'stop' | 'cancelled' = 'stop'): ServerFrame => ({
  ...{ type: 'end', session: 's', generation: 'g', epoch: 0, seq, reason },
});

const refused: ServerFrame & { type: 'error' } = {
  ...{ type: 'error', code: 'unavailable', message: 'no', retryable: false, session: 's', generation: 'g' },
};

const connection = (frames: readonly ServerFrame[], given?: number): ViewedConnection => ({
  received: frames.map((frame, at) => ({ frame, at })),
  ...(given === undefined ? {} : { given: { epoch: 0, seq: given } }),
});

const history = (changes: Partial<History>, connections?: ViewedConnection[]): History => ({
  ...KEY,
  accepted: true,
  log: LOG,
  item: { status: 'done', epoch: 0, seq: 6, text: tokens(0, 6).join(''), reason: 'stop' },
  acked: [{ epoch: 0, seq: 6 }],
  viewers: [
    {
      name: 'ann',
      connections: connections ?? [connection([delta(0, 4)]), connection([delta(4, 6), end()], 4)],
      mustFinish: true,
    },
  ],
  ...changes,
});

const kinds = (of: History): FindingKind[] => [...new Set(judge(of).findings.map(({ kind }) => kind))];

test('a faultless history has no finding, over a reconnect, over a second attempt, and of what the stream keeps', () => {
  expect(judge(history({}))).toEqual({ stored: 6, delivered: 6, wireDuplicates: 0, findings: [] });
  const claim = record(3, { attempt: 2, tokens: tokens(0, 4) });
  const log = [...LOG.slice(0, 2), claim, record(4, { ...LOG[2]?.record, attempt: 2 })];
  expect(kinds(history({ log }))).toEqual([]);
  expect(kinds(history({ log: log.slice(2) }))).toEqual([]);
});

test('a text whose log has expired may begin again in a new epoch, with its chunks counted from 0', () => {
  const again = tokens(0, 6);
  const log = [
    ...LOG.slice(0, 2),
    record(3, { base: 4, tokens: tokens(4, 5) }),
    record(4, { attempt: 2, epoch: 1, tokens: again, end: { reason: 'stop' } }),
  ];
  const item = { status: 'done', epoch: 1, seq: 6, text: again.join(''), reason: 'stop' } as const;
  const frames: ServerFrame[] = [
    delta(0, 5),
    { type: 'reset', session: 's', generation: 'g', epoch: 1, reason: 'the text was started again' },
    { ...delta(0, 6), epoch: 1 } as ServerFrame,
    { ...end(), epoch: 1 } as ServerFrame,
  ];
  expect(kinds(history({ log, item, acked: [{ epoch: 1, seq: 6 }] }, [connection(frames)]))).toEqual([]);
});

test('a finished generation may be told by its item alone', () => {
  const item = {
    ...{ id: 'g', kind: 'generation', rev: 1, user: 'ann', createdAt: 0, model: 'm', attempt: 1 },
    ...{ status: 'done', epoch: 0, seq: 6, text: tokens(0, 6).join(''), reason: 'stop' },
  } as never;
  const frame: ServerFrame = { type: 'subscribed', session: 's', rev: 1, viewers: 1, items: [item] };
  expect(kinds(history({}, [connection([frame])]))).toEqual([]);
});

describe('the log', () => {
  const cases: [string, readonly StoredRecord[], FindingKind][] = [
    ['a record that skips tokens is a loss', [LOG[0], LOG[2]] as StoredRecord[], 'lost'],
    [
      'an older attempt after a newer one is reordered',
      [
        LOG[0],
        record(2, { attempt: 2, tokens: tokens(0, 3) }),
        record(3, { tokens: tokens(0, 4) }),
        LOG[2],
      ] as StoredRecord[],
      'reordered',
    ],
    ['a record after the end is a duplicate', [...LOG, record(4, { base: 4 })], 'duplicate'],
    [
      'a position stored with two texts is a duplicate',
      [LOG[0], LOG[1], record(3, { tokens: [...tokens(1, 2), ...tokens(1, 4)] }), LOG[2]] as StoredRecord[],
      'duplicate',
    ],
    [
      'a text that begins again in the same epoch is joined',
      [LOG[0], LOG[1], record(3, { attempt: 2, tokens: tokens(0, 1) })] as StoredRecord[],
      'joined',
    ],
    [
      "another generation's token is foreign",
      [LOG[0], LOG[1], record(3, { base: 4, tokens: tokens(4, 6, 'rival.s.g') })] as StoredRecord[],
      'foreign',
    ],
    [
      'a gap in the numbers of the chunks truncates the replay',
      [LOG[0], LOG[1], { ...LOG[2], chunk: 2 }] as StoredRecord[],
      'truncated',
    ],
    [
      'a chunk of which only the beginning is there truncates the replay',
      [LOG[0], LOG[2]] as StoredRecord[],
      'truncated',
    ],
    [
      'an earlier chunk after a later one is reordered',
      [LOG[0], { ...record(2, { tokens: tokens(0, 4) }), chunk: 3 }, LOG[2]] as StoredRecord[],
      'reordered',
    ],
  ];
  test.each(cases)('%s', (_, log, kind) => expect(kinds(history({ log }))).toContain(kind));
});

describe('what was promised', () => {
  test('an acked token that is not stored is lost', () => {
    expect(judge(history({ acked: [{ epoch: 0, seq: 9 }] })).findings).toMatchObject([
      { kind: 'lost', tokens: 3 },
    ]);
  });
  test('an accepted prompt without an item is lost', () =>
    expect(kinds(history({ item: undefined }))).toContain('lost'));
  test('a generation that never ends is truncated', () =>
    expect(kinds(history({ item: { status: 'running', epoch: 0, seq: 0 } }))).toContain('truncated'));
  test("an item with more text than the log has lost the log's", () => {
    const item = { status: 'done', epoch: 0, seq: 7, text: tokens(0, 7).join(''), reason: 'stop' } as const;
    expect(kinds(history({ item }))).toContain('lost');
  });
  test('two different ends are told apart', () => {
    const item = { status: 'done', epoch: 0, seq: 6, reason: 'cancelled' } as const;
    expect(kinds(history({ item }))).toContain('ends');
  });
  test('tokens made beyond the lead are an overrun', () =>
    expect(kinds(history({ credit: { made: 60, acked: 4, lead: 32 } }))).toEqual(['overrun']));
});

describe('what a viewer saw', () => {
  const cases: [string, ViewedConnection[], FindingKind][] = [
    ['a token beyond the log is a phantom', [connection([delta(0, 6), delta(6, 7), end()])], 'phantom'],
    ['skipped tokens are a hole', [connection([delta(0, 2), delta(3, 6), end()])], 'hole'],
    ['an end before the last token is a hole', [connection([delta(0, 4), end()])], 'hole'],
    [
      'a token sent twice to one connection is a wire duplicate',
      [connection([delta(0, 3), delta(2, 6), end()])],
      'wire_duplicate',
    ],
    [
      'a token sent again after a resume is a wire duplicate',
      [connection([delta(0, 4)]), connection([delta(3, 6), end()], 4)],
      'wire_duplicate',
    ],
    [
      'a token twice in one frame is a duplicate',
      [connection([delta(0, 6, tokens(0, 5).join('') + markedToken(WATERMARK, 5)), end()])],
      'duplicate',
    ],
    [
      'swapped tokens are reordered',
      [connection([delta(0, 2, tokens(0, 2).toReversed().join('')), delta(2, 6), end()])],
      'reordered',
    ],
    [
      "another org's bytes are foreign",
      [connection([delta(0, 6, tokens(0, 6, 'rival.s.g').join('')), end()])],
      'foreign',
    ],
    ['bytes without a mark are foreign', [connection([delta(0, 6, 'hello'), end()])], 'foreign'],
    ['no end is truncated', [connection([delta(0, 6)])], 'truncated'],
    [
      'a text that is told as expired although it is stored is truncated',
      [connection([{ ...refused, code: 'not_found' }, delta(0, 6), end()])],
      'truncated',
    ],
    [
      'a frame with less than it says is truncated',
      [connection([delta(0, 6, tokens(0, 5).join('')), end()])],
      'truncated',
    ],
    ['a second end is one too many', [connection([delta(0, 6), end(), end()])], 'ends'],
    ["another end than the log's is wrong", [connection([delta(0, 6), end(6, 'cancelled')])], 'ends'],
    [
      'a position it never had is a hole',
      [connection([delta(0, 2)]), connection([delta(4, 6), end()], 4)],
      'hole',
    ],
  ];
  test.each(cases)('%s', (_, connections, kind) => expect(kinds(history({}, connections))).toContain(kind));
});

test('a finding is explained by the events around it', () => {
  const bad = history({}, [connection([delta(0, 2), delta(3, 6), end()])]);
  const [finding] = judge(bad).findings;
  expect(finding).toBeDefined();
  if (finding === undefined) return;
  const text = explain(bad, finding);
  expect(text).toContain('acme.s.g, ann: hole of 1 tokens at 1: delta from 3, expected 2');
  expect(text).toContain('> #0 given - 1 ms delta 0: (3, 6]');
});
