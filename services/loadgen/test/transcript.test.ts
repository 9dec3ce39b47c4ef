import { describe, expect, test } from '@jest/globals';
import { ReceivedText } from '../src/clients/received-text.ts';

const delta = (from: number, seq: number, text: string, epoch = 0) =>
  ({ type: 'delta', session: 's', generation: 'g', epoch, from, seq, text, at: 0 }) as const;
const end = (seq: number) => ({ seq, reason: 'stop' }) as const;

describe('a transcript', () => {
  test('has no faults when deltas tile the text and the text is the stored one', () => {
    const transcript = new ReceivedText();
    transcript.delta(delta(0, 2, 'ab'));
    transcript.delta(delta(2, 3, 'c'));
    transcript.end(end(3));
    transcript.compare('abc');
    expect(transcript.faults).toEqual([]);
  });

  test.each<readonly [string, (transcript: ReceivedText) => void]>([
    ['a hole', (transcript) => transcript.delta(delta(3, 4, 'd'))],
    ['a token twice', (transcript) => transcript.delta(delta(1, 2, 'b'))],
    ['another epoch without a reset', (transcript) => transcript.delta(delta(2, 3, 'c', 1))],
    ['an end that is elsewhere', (transcript) => transcript.end(end(3))],
    ['no end', (transcript) => transcript.compare('ab')],
  ])('tells of %s', (_, receive) => {
    const transcript = new ReceivedText();
    transcript.delta(delta(0, 2, 'ab'));
    receive(transcript);
    expect(transcript.faults).toHaveLength(1);
  });

  test('tells of another text of the same length', () => {
    const transcript = new ReceivedText();
    transcript.delta(delta(0, 2, 'ab'));
    transcript.end(end(2));
    transcript.compare('ax');
    expect(transcript.faults).toEqual([expect.stringContaining('of 2 characters')]);
  });

  test('starts over at a reset', () => {
    const transcript = new ReceivedText();
    transcript.delta(delta(0, 2, 'ab'));
    transcript.reset(1);
    transcript.delta(delta(0, 1, 'x', 1));
    transcript.end(end(1));
    transcript.compare('x');
    expect(transcript.faults).toEqual([]);
  });
});
