import { describeError } from './cli-error.ts';
import { buildProgram } from './program.ts';
import { takeSecretFiles } from './secrets.ts';
import { plain } from './terminal/plain.ts';

/** Runs the command line. Whatever goes wrong is one line on stderr and the exit code 1. */
export const main = async (argv: readonly string[]): Promise<void> => {
  const debug = argv.includes('--debug') || process.env['SLUICE_DEBUG'] === '1';
  const fail = (error: unknown): void => {
    process.stderr.write(`sluice: ${plain(describeError(error, debug))}\n`);
    process.exitCode = 1;
  };
  // As for our services: compose files pass what is not set as an empty text.
  for (const [name, value] of Object.entries(process.env))
    if (name.startsWith('SLUICE_') && value === '') delete process.env[name];
  // `sluice tail … | head` is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  try {
    takeSecretFiles(process.env);
    await buildProgram().parseAsync([...argv]);
  } catch (error) {
    fail(error);
  }
};
