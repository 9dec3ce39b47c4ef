import type { TokenizerAndRendererExtension, Tokens } from 'marked';

/** Between dollars no blank stands at either end, and no digit follows: `$5 and $6` are prices. */
const INLINE = /^(?:\\\([^]+?\\\)|\\\[[^]+?\\\]|\$\$[^$]+\$\$|\$(?!\s)(?:\\.|[^$\\\n])+?(?<![\s\\])\$(?!\d))/;
const BLOCK = /^(?:\\\[[^]+?\\\]|\$\$[^$]+\$\$)[ \t]*(?:\n|$)/;

const mathOf = (type: string, match: RegExpExecArray | null): Tokens.Generic | undefined =>
  match === null ? undefined : { type, raw: match[0], text: match[0].trimEnd() };

/**
 * Formulas as a model writes them, delimiters and all: to Markdown their backslashes would be escapes and their
 * underscores emphasis.
 * @param escape makes HTML of text
 */
export const mathExtensions = (escape: (text: string) => string): TokenizerAndRendererExtension[] => [
  {
    name: 'mathBlock',
    level: 'block',
    start: (source) => source.match(/\n(?:\\\[|\$\$)/)?.index,
    tokenizer: (source) => mathOf('mathBlock', BLOCK.exec(source)),
    renderer: ({ text }) => `<p class="math">${escape(String(text))}</p>`,
  },
  {
    name: 'math',
    level: 'inline',
    start: (source) => source.match(/\\[([]|\$/)?.index,
    tokenizer: (source) => mathOf('math', INLINE.exec(source)),
    renderer: ({ text }) => `<span class="math">${escape(String(text))}</span>`,
  },
];
