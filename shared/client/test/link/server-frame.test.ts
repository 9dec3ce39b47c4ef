import { describe, expect, test } from '@jest/globals';
import { ProtocolError } from '../../src/errors.ts';
import { parseServerFrame } from '../../src/link/server-frame.ts';

const parse = (frame: object): ReturnType<typeof parseServerFrame> => parseServerFrame(JSON.stringify(frame));
const of = { session: 's', generation: 'g' };

describe('a frame from the server', () => {
  test('of a type nobody knows is ignored, and so is a field', () => {
    expect(parse({ type: 'confetti', session: 5 })).toBeUndefined();
    expect(parse({ type: 'toString' })).toBeUndefined();
    expect(parse({ session: 's' })).toBeUndefined();
    expect(parse({ type: 'pong', colour: 'blue' })).toEqual({ type: 'pong', colour: 'blue' });
  });

  test.each([
    { type: 'state', ...of },
    { type: 'state', ...of, state: 7 },
    { type: 'state', ...of, state: 'dreaming' },
    { type: 'presence', session: 's', viewers: 'many' },
    { type: 'signal', session: 's' },
    { type: 'expiring' },
    { type: 'goaway', reconnectMs: null },
    { type: 'error', message: 'oops' },
  ])('that only informs is ignored when it makes no sense: %j', (frame) => {
    expect(parse(frame)).toBeUndefined();
  });

  test.each([
    { type: 'delta', ...of, epoch: 0, from: 0, seq: 1 },
    { type: 'end', ...of, epoch: 0, reason: 'stop' },
    { type: 'reset', ...of },
    { type: 'subscribed', session: 's', rev: 1, viewers: 1 },
    { type: 'item', session: 's', rev: 1 },
    { type: 'ok' },
    { type: 'error', re: 'r1', message: 'oops' },
    { type: 'ready' },
  ])('that moves a position or answers a request must make sense: %j', (frame) => {
    expect(parse(frame)).toBeInstanceOf(ProtocolError);
  });

  test.each(['', 'hello', 'null', '7', 5, undefined])('is one JSON object, not %j', (text) => {
    expect(parseServerFrame(text)).toBeInstanceOf(ProtocolError);
  });
});
