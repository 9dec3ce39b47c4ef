import type { Colours } from '../terminal/colours.ts';
import { plain } from '../terminal/plain.ts';
import type { Clause } from './clause.ts';
import type { Verdict } from './verdict.ts';

const ID_WIDTH = 4;
const MARK_WIDTH = 'not checked'.length;

/** One clause for people: a line, and two more for a failure. */
export const linesOf = (verdict: Verdict, clauses: readonly Clause[], pc: Colours): string => {
  const titleWidth = Math.max(...clauses.map(({ title }) => title.length));
  const { id, title, result } = verdict;
  const head = (mark: string): string => `${mark}  ${id.padEnd(ID_WIDTH)}${title.padEnd(titleWidth)}`;
  const mark = result.padEnd(MARK_WIDTH);
  if (verdict.result === 'pass') return `${head(pc.green(mark))}  ${plain(verdict.found)}\n`;
  if (verdict.result === 'not checked') return pc.dim(`${head(mark)}  ${plain(verdict.reason)}\n`);
  const indent = ' '.repeat(MARK_WIDTH + 2 + ID_WIDTH);
  return (
    `${head(pc.red(mark))}  expected ${plain(verdict.expected)}; got ${plain(verdict.came)}\n` +
    `${indent}${pc.yellow(`→ ${verdict.advice} (docs/WORKERS.md, ${id})`)}\n`
  );
};

/** The last line for people. */
export const summaryOf = (verdicts: readonly Verdict[]): string => {
  const count = (result: Verdict['result']): number =>
    verdicts.filter((verdict) => verdict.result === result).length;
  return `${count('pass')} passed, ${count('fail')} failed, ${count('not checked')} not checked`;
};
