/** Arbitrary tokens: what an engine may yield, including what no sane engine yields. */
import fc from 'fast-check';
import { kindOf, toolOf } from '@sluice/protocol';
import type { End, Token, ToolRef } from '@sluice/protocol';

/** Any UTF-16 units, so that surrogate pairs get torn apart between tokens. */
const anyUnits = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 6 })
  .map((units) => String.fromCharCode(...units));

const awkward = fc.constantFrom(
  '',
  '"',
  '\\',
  '\\u0000',
  '\u0000',
  '\n\r\t',
  '\u2028',
  '😀',
  '\ud83d',
  '\ude00',
  '👩‍👩‍👧',
  '⟦a⟧',
  '</script>',
  '],"end":{"reason":"stop"}}',
);

export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'grapheme', maxLength: 8 }) },
  { weight: 2, arbitrary: awkward },
  { weight: 1, arbitrary: anyUnits },
);

const anyTool = fc.record(
  { index: fc.nat({ max: 2 }), id: fc.constantFrom('call_1', 'call_2', '"'), name: anyText },
  { requiredKeys: ['index'], noNullPrototype: true },
);

const anyPartRef = fc.record(
  { index: fc.nat({ max: 2 }), type: fc.constantFrom('annotation', 'image', 'data-x', 'other'), id: anyText },
  { requiredKeys: ['index'], noNullPrototype: true },
);

const anyMarked = fc.oneof(
  fc.record({ kind: fc.constant('refusal' as const), text: anyText }, { noNullPrototype: true }),
  fc.record(
    { kind: fc.constant('part' as const), text: fc.oneof(anyText, fc.json()), part: anyPartRef },
    { requiredKeys: ['kind', 'text'], noNullPrototype: true },
  ),
  fc.record({ kind: fc.constant('reasoning' as const), text: anyText }, { noNullPrototype: true }),
  fc.record(
    { kind: fc.constant('tool_call' as const), text: anyText, tool: anyTool },
    { requiredKeys: ['kind', 'text'], noNullPrototype: true },
  ),
);

export const anyToken: fc.Arbitrary<Token> = fc.oneof(
  { weight: 3, arbitrary: anyText },
  { weight: 1, arbitrary: anyMarked },
);

/** Lists of any length up to the given one: fast-check alone would seldom go beyond ten. */
export const anyTokens = (maxLength: number): fc.Arbitrary<Token[]> =>
  fc.array(anyToken, { maxLength, size: 'max' });

export const anyEnd: fc.Arbitrary<End> = fc.oneof(
  fc.constant<End>({ reason: 'stop', usage: { prompt_tokens: 9, completion_tokens: 34 } }),
  fc.constant<End>({ reason: 'cancelled', receipt: { tokensAfterCancel: 3, msToAbort: 1.5 } }),
  anyText.map<End>((message) => ({ reason: 'error', error: { code: 'engine', message } })),
);

/** The call a token belongs to: the first one when it names none. */
export const callOf = (token: Token): ToolRef | undefined =>
  kindOf(token) === 'tool_call' ? (toolOf(token) ?? { index: 0 }) : undefined;
