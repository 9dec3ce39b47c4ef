/** What a process said about its own end, in words fit for one line. */

const NATS_FATAL = /\[FTL\] (.*)$/;
/** `ConfigError: …`, `Error: …`, `Error [ERR_X]: …` as Node reports what nobody caught. */
const UNCAUGHT = /^(?:Uncaught )?\w*Error(?: \[\w+\])?: (.*)$/;

/** nats-server's fatal line, or the error that ended Node without its stack; undefined when there is neither. */
export const failureIn = (lines: readonly string[]): string | undefined => {
  const at = lines.findLastIndex((line) => NATS_FATAL.test(line) || UNCAUGHT.test(line));
  const line = lines[at] ?? '';
  const fatal = NATS_FATAL.exec(line)?.[1];
  if (fatal !== undefined) return fatal;
  const uncaught = UNCAUGHT.exec(line)?.[1];
  if (uncaught === undefined) return undefined;
  // A message may go on in indented lines, as that of a wrong configuration does, until the stack begins.
  const rest = lines.slice(at + 1);
  const end = rest.findIndex((next) => !/^ {2}\S/.test(next));
  return [uncaught, ...rest.slice(0, Math.max(end, 0))].map((part) => part.trim()).join(' ');
};
