/** Programs that npm does not bring: where a script of e2e/outside finds one it is tested, elsewhere the tests say why not. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from '@jest/globals';

const FOLDER = join(import.meta.dirname, '../outside');

const run = promisify(execFile);

export type Outside = {
  /** of the program; empty where there is none */
  readonly path: string;
  /** a test that is skipped, in so many words, where the program is not */
  readonly test: typeof test | typeof test.skip;
};

/** @param script prints the program's path, or the reason why it has none as its last line on stderr */
export const outside = async (script: string, timeoutMs: number): Promise<Outside> => {
  try {
    const { stdout } = await run(join(FOLDER, script), { timeout: timeoutMs });
    return { path: stdout.trim(), test };
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string };
    const reason = stderr.trim().split('\n').at(-1) ?? '';
    console.warn(`skipped: ${reason === '' ? `${script} took longer than ${timeoutMs} ms` : reason}`);
    return { path: '', test: test.skip };
  }
};
