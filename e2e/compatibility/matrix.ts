import type { Absence } from './absences.ts';
import type { MarkedTest } from './marks.ts';
import type { Words } from './words.ts';

export type Cell = {
  readonly column: string;
  readonly row: string;
  /** ids of the tests that show it */
  readonly tests: readonly string[];
  /** places, from 1, of the reasons given for its having none */
  readonly absences: readonly number[];
};

export const cellsOf = (
  { columns, rows }: Words,
  marks: readonly MarkedTest[],
  absences: readonly Absence[],
): Cell[] =>
  Object.keys(rows).flatMap((row) =>
    Object.keys(columns).map((column) => ({
      ...{ column, row },
      tests: marks
        .filter(({ shows }) => shows.some(([c, r]) => c === column && r === row))
        .map(({ id }) => id),
      absences: absences.flatMap(({ cells }, at) => (cells[column]?.includes(row) === true ? [at + 1] : [])),
    })),
  );

const shown = ({ tests, absences }: Cell): string =>
  tests.length > 0 ? tests.join(', ') : `no (${absences.join(', ')})`;

type Table = [readonly string[], ...(readonly string[])[]];

export const matrixTable = (words: Words, cells: readonly Cell[]): Table => [
  ['', ...Object.keys(words.columns)],
  ...Object.keys(words.rows).map((row) => [row, ...cells.filter((cell) => cell.row === row).map(shown)]),
];

export const wordsTable = (
  head: readonly [string, string],
  words: Readonly<Record<string, string>>,
): Table => [head, ...Object.entries(words)];

export const reasonsTable = (absences: readonly Absence[]): Table => [
  ['no', 'because'],
  ...absences.map(({ reason }, at) => [`${at + 1}`, reason]),
];

export const testsTable = (marks: readonly MarkedTest[]): Table => [
  ['id', 'file', 'test'],
  ...marks.map(({ id, file, name }) => [id, `\`${file}\``, `“${name}”`]),
];
