/** The tables of docs/COMPATIBILITY.md decide every cell: by a test that is there, or by a reason. */
import { describe, expect, test } from '@jest/globals';
import { CLIENT_ABSENCES, ENGINE_ABSENCES } from './absences.ts';
import { allMarks, marksIn } from './marks.ts';
import { cellsOf } from './matrix.ts';
import { CLIENTS, ENGINES } from './words.ts';

const marks = allMarks();

describe.each([
  ['clients', CLIENTS, CLIENT_ABSENCES],
  ['engines', ENGINES, ENGINE_ABSENCES],
] as const)('the table of %s', (_, words, absences) => {
  const cells = cellsOf(words, marks, absences);

  test('has a test or a reason in every cell', () => {
    const open = cells.filter((cell) => cell.tests.length === 0 && cell.absences.length === 0);
    expect(open.map(({ column, row }) => `${column}: ${row}`)).toEqual([]);
  });

  test('gives one reason for a cell without a test, and none for one that has one', () => {
    const torn = cells.filter(({ tests, absences: given }) => given.length > (tests.length > 0 ? 0 : 1));
    expect(torn.map(({ column, row }) => `${column}: ${row}`)).toEqual([]);
  });

  test('has a reason only for cells that there are', () => {
    const unknown = absences.flatMap(({ cells: given }) =>
      Object.entries(given).flatMap(([column, rows]) =>
        rows
          .filter((row) => !(column in words.columns && row in words.rows))
          .map((row) => `${column}: ${row}`),
      ),
    );
    expect(unknown).toEqual([]);
  });
});

test('every mark stands before a test and names a cell', () => {
  const isKnown = ([column, row]: readonly [string, string]): boolean =>
    [CLIENTS, ENGINES].some(({ columns, rows }) => column in columns && row in rows);
  expect(marks.length).toBeGreaterThan(20);
  expect(marks.filter(({ name, shows }) => name === '' || shows.length === 0)).toEqual([]);
  expect(
    marks.flatMap(({ id, shows }) => shows.filter((cell) => !isKnown(cell)).map((cell) => [id, cell])),
  ).toEqual([]);
});

test('no client has the name of an engine', () => {
  expect(Object.keys(CLIENTS.columns).filter((name) => name in ENGINES.columns)).toEqual([]);
});

test('ids name one test each', () => {
  const ids = marks.map(({ id }) => id);
  expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
});

test('a mark is read with the name of the test behind it', () => {
  const source = [
    "// compat(openai, langchain): chat, usage\n// compat(codex): tools\ntest('one isn\\'t two', () => {",
    '  // compat(python): abort\n  test.each([1, 2])(\n    `three %i`, () => {',
  ].join('\n');
  const [one, other] = marksIn('e2e/some.test.ts', source);
  expect(one).toEqual({
    ...{ id: 'some.1', file: 'e2e/some.test.ts', name: "one isn't two" },
    shows: [
      ['openai', 'chat'],
      ['openai', 'usage'],
      ['langchain', 'chat'],
      ['langchain', 'usage'],
      ['codex', 'tools'],
    ],
  });
  expect(other).toMatchObject({ id: 'some.2', name: 'three %i', shows: [['python', 'abort']] });
});
