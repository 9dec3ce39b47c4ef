import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BlockSplitter } from '../src/markdown/block-splitter.ts';

const raws = (text: string, isComplete: boolean, splitter = new BlockSplitter()): readonly string[] =>
  splitter.update(text, isComplete).map(({ raw }) => raw);

/** Pieces of Markdown whose blocks interact: what follows may join what is there. */
const pieces = fc.constantFrom(
  ...[
    '# Title\n',
    'Words of a paragraph.\n',
    'more words\n',
    '\n',
    '\n\n',
    '- one\n',
    '- two\n',
    '  nested\n',
  ],
  ...['1. first\n', '2. second\n', '```ts\n', 'code();\n', '```\n', '> quoted\n', 'lazy\n', '---\n', '===\n'],
  ...[
    '| a | b |\n',
    '|---|---|\n',
    '| 1 | 2 |\n',
    '    indented\n',
    '<div>\n',
    '</div>\n',
    '\r\n',
    '* * *\n',
  ],
);

test('blocks of a text that grew are those of the same text read at once', () => {
  fc.assert(
    fc.property(
      fc.array(pieces, { maxLength: 25 }),
      fc.array(fc.nat(400), { maxLength: 12 }),
      (parts, cuts) => {
        const text = parts.join('');
        const splitter = new BlockSplitter();
        for (const cut of cuts.toSorted((left, right) => left - right))
          splitter.update(text.slice(0, Math.min(cut, text.length)), false);
        const grown = splitter.update(text, false).map(({ token }) => token.raw.trimEnd());
        const whole = raws(text, true).map((raw) => raw.trimEnd());
        // The open block may be healed, so it is compared by where it begins.
        expect(grown.slice(0, -1)).toEqual(whole.slice(0, -1));
        expect(grown.length).toBe(whole.length);
      },
    ),
    {
      numRuns: 1000,
      examples: [
        [['| a | b |\n', 'lazy\n', '|---|---|\n'], [17]],
        [['2. second\n', '\r\n', '2. second\n'], [13]],
      ],
    },
  );
});

test('a settled block is the same object at the next token, so that it is not rendered again', () => {
  const splitter = new BlockSplitter();
  const before = splitter.update('# Title\n\nA paragraph.\n\nThe op', false);
  const after = splitter.update('# Title\n\nA paragraph.\n\nThe open one', false);
  expect(before).toHaveLength(3);
  expect(after[0]).toBe(before[0]);
  expect(after[1]).toBe(before[1]);
  expect(after[2]).not.toBe(before[2]);
});

test('a text that restarts from zero starts over', () => {
  const splitter = new BlockSplitter();
  splitter.update('One.\n\nTwo.\n\nThree.', false);
  expect(raws('Other.\n\nText', false, splitter).map((raw) => raw.trimEnd())).toEqual(['Other.', 'Text']);
});

test('a reference that is defined at the end is known to every block of the finished text', () => {
  const text = 'See [the log][log].\n\n[log]: https://log.test\n';
  expect(new BlockSplitter().update(text, true)[0]?.links).toContain('https://log.test');
});
