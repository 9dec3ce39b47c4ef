import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { kindOf, textOf, toolOf } from '@sluice/protocol';
import type { Token } from '@sluice/protocol';
import { TranscriptWriter, transcriptOf } from '../src/index.ts';
import { anyTokens } from './any-token.ts';

const joined = (tokens: readonly Token[]): string => tokens.map(textOf).join('');

test('a transcript holds the text of each kind, and of each call in order of index', () => {
  fc.assert(
    fc.property(anyTokens(60), (tokens) => {
      const transcript = transcriptOf(tokens);
      const of = (kind: string): Token[] => tokens.filter((token) => kindOf(token) === kind);
      expect(transcript.text).toBe(joined(of('text')));
      expect(transcript.reasoning ?? '').toBe(joined(of('reasoning')));
      const calls = [0, 1, 2]
        .map((index) => of('tool_call').filter((token) => (toolOf(token)?.index ?? 0) === index))
        .filter((pieces) => pieces.length > 0);
      expect((transcript.toolCalls ?? []).map((call) => call.arguments)).toEqual(calls.map(joined));
      const first = (pieces: readonly Token[], field: 'id' | 'name'): string =>
        pieces.map((piece) => toolOf(piece)?.[field]).find((value) => (value ?? '') !== '') ?? '';
      expect((transcript.toolCalls ?? []).map(({ id, name }) => ({ id, name }))).toEqual(
        calls.map((pieces) => ({ id: first(pieces, 'id'), name: first(pieces, 'name') })),
      );
    }),
    { numRuns: 1_000 },
  );
});

test('fields for kinds that did not occur are absent', () => {
  expect(transcriptOf([])).toEqual({ text: '' });
  expect(transcriptOf(['a', 'b'])).toEqual({ text: 'ab' });
});

test('a transcript taken early does not change when more tokens come', () => {
  const writer = new TranscriptWriter();
  writer.push({ kind: 'tool_call', text: '{', tool: { index: 3, id: 'call_1', name: 'find' } });
  const early = writer.transcript();
  writer.push({ kind: 'tool_call', text: '}', tool: { index: 3 } });
  expect(early.toolCalls).toEqual([{ id: 'call_1', name: 'find', arguments: '{' }]);
  expect(writer.transcript().toolCalls).toEqual([{ id: 'call_1', name: 'find', arguments: '{}' }]);
});

test('a transcript holds the parts whose pieces came to their end, and the refusal apart from the text', () => {
  const piece = (text: string, part: object): Token => ({ kind: 'part', text, part: { index: 0, ...part } });
  const tokens: Token[] = [
    piece('{"a":', { type: 'annotation', id: 'x' }),
    piece('1}', {}),
    { kind: 'refusal', text: 'I ' },
    piece('[]', { index: 1, type: 'new' }),
    { kind: 'refusal', text: 'will not.' },
    piece('{"cut', { index: 2, type: 'image' }),
    piece('['.repeat(100) + ']'.repeat(100), { index: 3, type: 'deep' }),
  ];
  expect(transcriptOf(tokens)).toEqual({
    text: '',
    refusal: 'I will not.',
    parts: [
      { type: 'annotation', id: 'x', data: { a: 1 } },
      { type: 'new', data: [] },
    ],
  });
});
