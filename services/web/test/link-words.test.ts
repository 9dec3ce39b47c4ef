import { expect, test } from '@jest/globals';
import { CatchUp } from '../src/link/catch-up.ts';
import { linkWords } from '../src/link/link-words.ts';

const waiting = { type: 'reconnecting', inMs: 2_000, attempt: 1, reason: 'closed' } as const;

test('a wait counts down and then says that it tries', () => {
  expect(linkWords(waiting, 0, undefined).text).toBe('Reconnecting in 2 s');
  expect(linkWords(waiting, 1_200, undefined).text).toBe('Reconnecting in 1 s');
  expect(linkWords({ ...waiting, inMs: 0 }, 0, undefined).text).toBe('Reconnecting…');
});

test('a connection that came back says what it brought', () => {
  expect(linkWords({ type: 'live', transport: 'websocket' }, 0, { tokens: 143, ms: 12.4 }).text).toBe(
    'Caught up 143 tokens in 12 ms',
  );
  expect(linkWords({ type: 'live', transport: 'websocket' }, 0, { tokens: 1, ms: 3 }).text).toBe(
    'Caught up 1 token in 3 ms',
  );
  expect(linkWords({ type: 'live', transport: 'websocket' }, 0, undefined).text).toBe('Live');
});

test('a connection without a WebSocket says what carries it', () => {
  expect(linkWords({ type: 'live', transport: 'sse' }, 0, undefined).text).toBe('Live · SSE');
  expect(linkWords({ type: 'live', transport: 'poll' }, 0, undefined).text).toBe('Live · polling');
});

test('a refused credential is named as such', () => {
  const { tone, text } = linkWords({ type: 'closed', code: 4401, reason: 'expired' }, 0, undefined);
  expect({ tone, text }).toEqual({ tone: 'bad', text: 'Signed out: the access token was refused' });
});

test('only the first frame of each generation that was open counts as caught up', () => {
  const catchUp = new CatchUp();
  catchUp.begin(['a', 'b'], 1_000);
  expect(catchUp.arrived({ generation: 'a', tokens: 40, now: 1_005 })).toEqual({ tokens: 40, ms: 5 });
  expect(catchUp.arrived({ generation: 'a', tokens: 1, now: 1_030 })).toBeUndefined();
  expect(catchUp.arrived({ generation: 'new', tokens: 9, now: 1_031 })).toBeUndefined();
  expect(catchUp.arrived({ generation: 'b', tokens: 2, now: 1_040 })).toEqual({ tokens: 42, ms: 40 });
});
