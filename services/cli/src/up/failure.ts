/** What a process said about its own end, in words fit for one line. */

const NATS_FATAL = /\[FTL\] (.*)$/;
const ERROR = /^(?:Uncaught )?(?:\w+ \[)?\w*Error(?:\])?(?: \[\w+\])?: (.*)$/;

/** The last error in the output: nats-server's fatal line, or Node's report of an uncaught error, without the stack. */
export const failureIn = (lines: readonly string[]): string | undefined => {
  const at = lines.findLastIndex((line) => NATS_FATAL.test(line) || ERROR.test(line));
  const line = lines[at];
  if (line === undefined) return jsonFailure(lines);
  const fatal = NATS_FATAL.exec(line)?.[1];
  if (fatal !== undefined) return fatal;
  const rest = lines.slice(at + 1);
  const end = rest.findIndex((next) => !/^ {2}\S/.test(next));
  return [ERROR.exec(line)?.[1] ?? line, ...rest.slice(0, end === -1 ? 0 : end)]
    .map((part) => part.trim())
    .join(' ');
};

const jsonFailure = (lines: readonly string[]): string | undefined => {
  const line = lines.findLast((text) => text.startsWith('{') && text.includes('"level":"error"'));
  if (line === undefined) return undefined;
  const { event, error } = JSON.parse(line) as { event?: string; error?: { message?: string } };
  return error?.message ?? event;
};
