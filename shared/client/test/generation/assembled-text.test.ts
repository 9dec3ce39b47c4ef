import { describe, expect, test } from '@jest/globals';
import type { DeltaFrame, GenerationItem } from '@sluice/protocol';
import fc from 'fast-check';
import { DeltaLog } from '../../src/generation/delta-log.ts';
import { ProtocolError } from '../../src/errors.ts';
import { AssembledText } from '../../src/generation/assembled-text.ts';
import type { Delta } from '../../src/generation/assembled-text.ts';

const frame = (from: number, seq: number, text: string, more: Partial<DeltaFrame> = {}): DeltaFrame => ({
  type: 'delta',
  session: 's',
  generation: 'g',
  epoch: 0,
  from,
  seq,
  text,
  at: 0,
  ...more,
});

const doneItem = (fields: Partial<GenerationItem>): GenerationItem => ({
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
  seq: 0,
  ...fields,
});

describe('a transcript', () => {
  // compat(sluice): reasoning
  test('keeps text, reasoning and tool calls apart', () => {
    const transcript = new AssembledText();
    transcript.apply(frame(0, 1, 'hm', { kind: 'reasoning' }));
    transcript.apply(frame(1, 3, 'Hi'));
    transcript.apply(frame(3, 4, '{"a"', { kind: 'tool_call', tool: { index: 1, id: 'c1', name: 'add' } }));
    transcript.apply(frame(4, 5, ':1}', { kind: 'tool_call', tool: { index: 1 } }));
    expect(transcript.text).toBe('Hi');
    expect(transcript.reasoning).toBe('hm');
    expect(transcript.toolCalls).toEqual([{ id: 'c1', name: 'add', arguments: '{"a":1}' }]);
    expect(transcript.position).toEqual({ epoch: 0, seq: 5 });
  });

  test.each([
    ['a hole', frame(3, 4, 'x')],
    ['an overlap', frame(1, 4, 'x')],
    ['a duplicate', frame(0, 2, 'ab')],
    ['no token', frame(2, 2, '')],
    ['a negative range', frame(2, 1, 'x')],
    ['another epoch without a reset', frame(2, 3, 'x', { epoch: 1 })],
    ['a fraction', frame(2, 2.5, 'x')],
  ])('refuses %s and stays as it was', (_name, bad) => {
    const transcript = new AssembledText();
    transcript.apply(frame(0, 2, 'ab'));
    expect(() => transcript.apply(bad)).toThrow(ProtocolError);
    expect([transcript.text, transcript.position]).toEqual(['ab', { epoch: 0, seq: 2 }]);
  });

  test('starts in whatever epoch the first delta names', () => {
    const transcript = new AssembledText();
    transcript.apply(frame(0, 1, 'a', { epoch: 3 }));
    expect(transcript.position).toEqual({ epoch: 3, seq: 1 });
  });

  test('refuses an end that comes before the last token', () => {
    const transcript = new AssembledText();
    transcript.apply(frame(0, 2, 'ab'));
    expect(() => transcript.checkEnd({ epoch: 0, seq: 3 })).toThrow(ProtocolError);
    expect(() => transcript.checkEnd({ epoch: 0, seq: 2 })).not.toThrow();
  });

  test('is completed by the rest of a finished item', () => {
    const transcript = new AssembledText();
    transcript.apply(frame(0, 2, 'ab'));
    const { restarted, deltas } = transcript.complete(doneItem({ seq: 5, text: 'abcde', reasoning: 'hm' }));
    expect(restarted).toBe(false);
    expect(deltas.map(({ from, seq, text, kind }) => [from, seq, text, kind])).toEqual([
      [2, 3, 'hm', 'reasoning'],
      [3, 5, 'cde', undefined],
    ]);
    expect(transcript.text).toBe('abcde');
  });

  test('is replaced by a finished item of another epoch', () => {
    const transcript = new AssembledText();
    transcript.apply(frame(0, 2, 'ab'));
    expect(transcript.complete(doneItem({ epoch: 1, seq: 3, text: 'xyz' })).restarted).toBe(true);
    expect([transcript.text, transcript.position]).toEqual(['xyz', { epoch: 1, seq: 3 }]);
  });

  test('refuses a finished item that contradicts it', () => {
    const transcript = new AssembledText();
    transcript.apply(frame(0, 2, 'ab'));
    expect(() => transcript.complete(doneItem({ seq: 3, text: 'axc' }))).toThrow(ProtocolError);
    expect(() => transcript.complete(doneItem({ seq: 1, text: 'ab' }))).toThrow(ProtocolError);
    expect(transcript.text).toBe('ab');
  });
});

describe('a delta log', () => {
  const delta = (from: number, text: string, kind?: 'reasoning'): Delta => ({
    epoch: 0,
    from,
    seq: from + 1,
    text,
    ...(kind && { kind }),
  });

  test('gives a late reader one delta for each run of a kind', () => {
    const log = new DeltaLog();
    log.append(delta(0, 'h', 'reasoning'));
    log.append(delta(1, 'm', 'reasoning'));
    log.append(delta(2, 'a'));
    log.append(delta(3, 'b'));
    const cursor = log.open();
    expect([cursor.next(), cursor.next(), cursor.next()]).toEqual([
      { epoch: 0, from: 0, seq: 2, text: 'hm', kind: 'reasoning' },
      { epoch: 0, from: 2, seq: 4, text: 'ab' },
      undefined,
    ]);
  });

  test('tells of a restart even when nothing follows', () => {
    const log = new DeltaLog();
    const cursor = log.open();
    log.append(delta(0, 'a'));
    cursor.next();
    log.restart(1);
    expect([cursor.next(), cursor.next()]).toEqual([{ epoch: 1, from: 0, seq: 0, text: '' }, undefined]);
    log.restart(2);
    log.append({ ...delta(0, 'b', 'reasoning'), epoch: 2 });
    expect(cursor.next()).toEqual({ epoch: 2, from: 0, seq: 1, text: 'b', kind: 'reasoning' });
  });

  test('every reader sees tiles of the same text, whenever it reads', () => {
    const reads = fc.array(fc.tuple(fc.nat(2), fc.boolean()), { maxLength: 80 });
    fc.assert(
      fc.property(reads, (steps) => {
        const log = new DeltaLog();
        const readers = [log.open(), log.open()];
        const seen: Delta[][] = [[], [], []];
        const read = (index: number): boolean => {
          const next = readers[index]?.next();
          if (next !== undefined) seen[index]?.push(next);
          return next !== undefined;
        };
        steps.forEach(([who, isReasoning], index) => {
          log.append(delta(index, String(index % 10), isReasoning ? 'reasoning' : undefined));
          if (who < 2) read(who);
        });
        readers.push(log.open());
        for (const index of [0, 1, 2]) while (read(index));
        const whole = steps.map((_, index) => String(index % 10)).join('');
        for (const deltas of seen) {
          expect(deltas.map(({ text }) => text).join('')).toBe(whole);
          deltas.forEach(({ from }, index) => expect(from).toBe(deltas[index - 1]?.seq ?? 0));
        }
      }),
    );
  });
});
