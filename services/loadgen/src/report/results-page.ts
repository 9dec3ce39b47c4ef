import { readFile, writeFile } from 'node:fs/promises';
import { readKept } from './kept-rows.ts';
import type { KeptRows } from './kept-rows.ts';
import { describeMachine } from './machine.ts';

const BEGIN = '<!-- bench:begin, written by `make bench-docs` -->';
const END = '<!-- bench:end -->';

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(heads), row(heads.map(() => '---')), ...rows.map(row)].join('\n');

const listOf = (ratios: Readonly<Record<string, number | null>> = {}): string =>
  Object.entries(ratios)
    .map(([peer, ratio]) => `${ratio?.toFixed(2) ?? '?'} x ${peer}`)
    .join(', ');

/** The kept rows in Markdown. */
export const resultsOf = ({ rows, peers, absent }: KeptRows): string => {
  const machines = [...new Set(rows.map(({ machine }) => describeMachine(machine)))];
  const results = rows.map(({ id, what, target, value, ok, ratios }) => [
    ...[id, what, target, ok ? value : `${value}, missed`],
    listOf(ratios),
  ]);
  const compared = [
    ...peers.map(({ name, version, settings }) => [name, version, settings]),
    ...absent.map(({ peer, reason }) => [peer, 'absent', reason]),
  ];
  return [
    machines.map((machine) => `- ${machine}`).join('\n'),
    table(['id', 'figure', 'target', 'value', 'against peers'], results),
    table(['peer', 'version', 'settings'], compared),
  ].join('\n\n');
};

/** @throws Error when the page has no place for results */
export const withResults = (page: string, results: string): string => {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`expected a line "${BEGIN}" and after it "${END}"`);
  return `${page.slice(0, from + BEGIN.length)}\n\n${results}\n\n${page.slice(to)}`;
};

/** Writes what is kept in `results` into the Markdown file `page`. */
export const writeResults = async (results: string, page: string): Promise<void> => {
  const kept = await readKept(results);
  if (kept.rows.length === 0) throw new Error(`expected rows in ${results}: run \`make bench\` first`);
  await writeFile(page, withResults(await readFile(page, 'utf8'), resultsOf(kept)));
};
