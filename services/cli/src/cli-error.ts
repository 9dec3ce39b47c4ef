/** An expected failure. The message is one line: what was expected, what came, what to do. */
export class CliError extends Error {
  readonly code = 'cli';
}

const oneLine = (text: string): string => text.trim().replaceAll(/\s*\n\s*/g, '; ');

/** What is told to a person about any error; the stack only to those who ask for it. */
export const describeError = (error: unknown, debug: boolean): string => {
  if (!(error instanceof Error)) return oneLine(String(error));
  if (debug) return error.stack ?? error.message;
  const text = oneLine(error.message === '' ? error.name : error.message);
  return error instanceof CliError ? text : `${text} (--debug shows where)`;
};
