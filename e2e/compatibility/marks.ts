/**
 * Tests say themselves what they show: `// compat(openai, langchain): chat stream, usage` right before a test names
 * columns and rows of a table of docs/COMPATIBILITY.md. `engines` stands for every engine.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ENGINES } from './words.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const FOLDERS = ['e2e', 'services', 'shared'] as const;

export type MarkedTest = {
  /** its file's name and its place among the marked tests there, such as `openai.3` */
  readonly id: string;
  readonly file: string;
  readonly name: string;
  /** `[column, row]` of what it shows */
  readonly shows: ReadonlyArray<readonly [string, string]>;
};

const BLOCK = /(?:^[ \t]*\/\/ compat\([^\n]*\n)+/gm;
const LINE = /\/\/ compat\(([^)]+)\): (.+)/g;
/** The first string that is an argument of its own: a test's name, also of one `each` of many. */
const NAME = /\(\s*(?:'((?:[^'\\]|\\.)*)'|`([^`]*)`),/;

const listOf = (text: string): string[] => text.split(',').map((word) => word.trim());

const showsOf = (block: string): MarkedTest['shows'] =>
  [...block.matchAll(LINE)].flatMap(([, columns = '', rows = '']) =>
    listOf(columns)
      .flatMap((column) => (column === 'engines' ? Object.keys(ENGINES.columns) : [column]))
      .flatMap((column) => listOf(rows).map((row): readonly [string, string] => [column, row])),
  );

/** The marked tests of a file, in its order. */
export const marksIn = (file: string, source: string): MarkedTest[] =>
  [...source.matchAll(BLOCK)].map((match, index) => {
    const [block] = match;
    const [, quoted, templated] = NAME.exec(source.slice(match.index + block.length)) ?? [];
    const name = (quoted ?? templated ?? '').replaceAll("\\'", "'");
    const stem = basename(file).replace(/(?:\.test)?\.ts$/, '');
    return { id: `${stem}.${index + 1}`, file, name, shows: showsOf(block) };
  });

/** Every marked test of the repository, by file. */
export const allMarks = (): MarkedTest[] =>
  FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter(
        (path) => path.endsWith('.ts') && !/(?:^|\/)(?:node_modules|dist|src|compatibility)\//.test(path),
      )
      .map((path) => `${folder}/${path}`),
  )
    .toSorted()
    .flatMap((file) => marksIn(file, readFileSync(join(ROOT, file), 'utf8')));
