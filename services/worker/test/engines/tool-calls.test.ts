import { expect, test } from '@jest/globals';
import { transcriptOf } from '@sluice/core';
import type { MarkedToken } from '@sluice/protocol';
import fc from 'fast-check';
import { AnswerParts } from '../../src/engines/openai/answer-parts.ts';
import { ToolCalls } from '../../src/engines/openai/tool-calls.ts';

type Json = Readonly<Record<string, unknown>>;

const tokensOf = (deltas: readonly Json[]): readonly MarkedToken[] => {
  const calls = new ToolCalls(new AnswerParts());
  return deltas.flatMap((delta) => calls.tokensOf(delta));
};
/** What a reader of the log makes of them. */
const callsOf = (deltas: readonly Json[]) => transcriptOf(tokensOf(deltas)).toolCalls ?? [];

const PARIS = '{"city":"Paris"}';
const ROME = '{"city":"Rome"}';
const call = (fields: Json, name: string | undefined, text: unknown): Json => ({
  ...fields,
  type: 'function',
  function: { ...(name === undefined ? {} : { name }), arguments: text },
});
const each = (...entries: Json[]): Json[] => entries.map((entry) => ({ tool_calls: [entry] }));

test.each<[string, Json[]]>([
  [
    'index 0 for all',
    each(call({ index: 0, id: 'a' }, 'get', PARIS), call({ index: 0, id: 'b' }, 'get', ROME)),
  ],
  ['no index', each(call({ id: 'a' }, 'get', PARIS), call({ id: 'b' }, 'get', ROME))],
  [
    'no index, in one delta',
    [{ tool_calls: [call({ id: 'a' }, 'get', PARIS), call({ id: 'b' }, 'get', ROME)] }],
  ],
  [
    'indexes out of order',
    each(call({ index: 3, id: 'a' }, 'get', PARIS), call({ index: 1, id: 'b' }, 'get', ROME)),
  ],
  [
    'arguments as objects',
    each(
      call({ index: 0, id: 'a' }, 'get', { city: 'Paris' }),
      call({ index: 1, id: 'b' }, 'get', { city: 'Rome' }),
    ),
  ],
  [
    'id and name with every piece',
    each(
      call({ index: 0, id: 'a' }, 'get', '{"city":'),
      call({ index: 0, id: 'a' }, 'get', '"Paris"}'),
      call({ index: 1, id: 'b' }, 'get', '{"city":'),
      call({ index: 1, id: 'b' }, 'get', '"Rome"}'),
    ),
  ],
  [
    'pieces without an index',
    each(
      call({ id: 'a' }, 'get', ''),
      call({}, undefined, PARIS),
      call({ id: 'b' }, 'get', '{"city":'),
      call({}, undefined, '"Rome"}'),
    ),
  ],
  [
    'pieces of two calls in turn',
    each(
      call({ index: 0, id: 'a' }, 'get', ''),
      call({ index: 1, id: 'b' }, 'get', ''),
      call({ index: 0 }, undefined, PARIS),
      call({ index: 1 }, undefined, ROME),
    ),
  ],
  [
    'white space and an empty piece after a call is whole',
    each(
      call({ index: 0, id: 'a' }, 'get', PARIS),
      call({ index: 0, id: 'a' }, 'get', ''),
      call({ index: 0, id: 'b' }, 'get', ROME),
    ),
  ],
])('two calls, %s', (_, deltas) => {
  expect(callsOf(deltas)).toEqual([
    { id: 'a', name: 'get', arguments: PARIS },
    { id: 'b', name: 'get', arguments: ROME },
  ]);
});

test.each<[string, Json[]]>([
  ['no ids', each(call({ index: 0 }, 'get', PARIS), call({ index: 1 }, 'get', ROME))],
  ['no ids and index 0', each(call({ index: 0 }, 'get', PARIS), call({ index: 0 }, 'get', ROME))],
  ['neither ids nor indexes', each(call({}, 'get', PARIS), call({}, 'get', ROME))],
  [
    'one id for all',
    each(call({ index: 0, id: 'x' }, 'get', PARIS), call({ index: 1, id: 'x' }, 'get', ROME)),
  ],
  [
    'the older form',
    [
      { function_call: { name: 'get', arguments: PARIS } },
      { function_call: { name: 'get', arguments: ROME } },
    ],
  ],
])('two calls with %s are told apart, and each has an id of its own', (_, deltas) => {
  const calls = callsOf(deltas);
  expect(calls.map(({ name, arguments: text }) => [name, text])).toEqual([
    ['get', PARIS],
    ['get', ROME],
  ]);
  expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
  expect(calls.every(({ id }) => id !== '')).toBe(true);
});

test('the older form in pieces is one call', () => {
  const deltas = [
    { function_call: { name: 'get', arguments: '' } },
    { function_call: { arguments: '{"city":' } },
    { function_call: { arguments: '"Paris"}' } },
  ];
  expect(callsOf(deltas)).toEqual([{ id: expect.any(String), name: 'get', arguments: PARIS }]);
});

test('a name that comes after the first piece, and an id that comes late', () => {
  const deltas = each(
    call({ index: 0 }, undefined, '{"city":'),
    call({ index: 0, id: 'late' }, 'get', '"Paris"}'),
    call({ index: 0, id: 'late' }, undefined, '\n'),
  );
  expect(callsOf(deltas)).toEqual([
    { id: expect.stringMatching(/^call_/), name: 'get', arguments: `${PARIS}\n` },
  ]);
});

test('what is no call brings nothing', () => {
  const nothing = [
    {},
    { tool_calls: null },
    { tool_calls: [] },
    { tool_calls: [{}, null, 7] },
    { function_call: null },
  ];
  expect(tokensOf(nothing)).toEqual([]);
});

const manners = fc.record({
  index: fc.constantFrom('right', 'always 0', 'none'),
  isRepeated: fc.boolean(),
  isInterleaved: fc.boolean(),
});

test('whatever the manners of a server that gives ids, each call has its own arguments', () => {
  const args = fc.dictionary(fc.string(), fc.string()).map((fields) => JSON.stringify(fields));
  const calls = fc.array(fc.record({ name: fc.constantFrom('f', 'g'), text: args }), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(calls, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), manners, (given, sizes, how) => {
      const pieces = given.map(({ name, text }, number) => {
        const cut: Json[] = [];
        for (let start = 0; start < text.length;) {
          const end = start + (sizes.next().value ?? 1);
          const isFirst = start === 0;
          const index = how.index === 'none' ? {} : { index: how.index === 'right' ? number : 0 };
          const named = isFirst || how.isRepeated;
          cut.push(
            call(
              { ...index, ...(named ? { id: `id${number}` } : {}) },
              named ? name : undefined,
              text.slice(start, end),
            ),
          );
          start = end;
        }
        return cut;
      });
      // Only an index or an id can tell pieces apart that come in turn.
      const canMix = how.isInterleaved && (how.index === 'right' || how.isRepeated);
      const order = canMix ? inTurn(pieces) : pieces.flat();
      expect(callsOf(each(...order))).toEqual(
        given.map(({ name, text }, number) => ({ id: `id${number}`, name, arguments: text })),
      );
    }),
  );
});

const inTurn = <Item>(lists: readonly (readonly Item[])[]): readonly Item[] => {
  const most = Math.max(...lists.map(({ length }) => length));
  return Array.from({ length: most }, (_, at) => lists.flatMap((list) => list.slice(at, at + 1))).flat();
};
