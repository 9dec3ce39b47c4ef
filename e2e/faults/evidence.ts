import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunReport } from './report.ts';

/** Where a run leaves what it was judged by, if the environment names a folder. */
const FOLDER = process.env['FAULTS_KEEP'];

/** Keeps the raw frames and records of a run, one generation a line, and what the services logged. */
export const keepEvidence = async ({ name, seed, histories }: RunReport, logs: string): Promise<void> => {
  if (FOLDER === undefined || FOLDER === '') return;
  const file = join(FOLDER, `${name.replaceAll(/[^A-Za-z0-9]+/g, '-')}-${seed}`);
  await mkdir(FOLDER, { recursive: true });
  await writeFile(`${file}.jsonl`, histories.map((history) => `${JSON.stringify(history)}\n`).join(''));
  await writeFile(`${file}.log`, logs);
};
