import type { Row } from '../bench.ts';

const HEADERS = ['id', 'what', 'target', 'value', ''] as const;
const MAX_WHAT_CHARS = 64;

/** The report for people: one line per target, with what its value was made of below. */
export const tableOf = (rows: readonly Row[]): string => {
  const cells = rows.flatMap((row) => [
    ...wrap(row.what).map((what, line) =>
      line === 0 ? [row.id, what, row.target, row.value, row.ok ? 'ok' : 'MISS'] : ['', what, '', '', ''],
    ),
    ...(row.ratios === undefined ? [] : [['', `  x ${listOf(row.ratios)}`, '', '', '']]),
    ['', `  ${listOf(row.figures)}`, '', '', ''],
  ]);
  const lines = [[...HEADERS], ...cells];
  const widths = HEADERS.map((_, column) =>
    Math.max(...lines.map((line) => (isFigures(line) && column === 1 ? 0 : (line[column] ?? '').length))),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

const isFigures = (line: readonly string[]): boolean => line[1]?.startsWith('  ') === true;

const listOf = (figures: Readonly<Record<string, number>>): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`)
    .join(', ');

/** Breaks a sentence at blanks into lines of at most 64 characters. */
const wrap = (text: string): string[] => {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > MAX_WHAT_CHARS) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
};
