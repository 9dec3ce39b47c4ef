/** What a process said about its own end, in words fit for one line. */

const SAID = [
  // nats-server's fatal line.
  /\[FTL\] (.*)$/,
  // What our services write.
  /^sluice \w+ cannot start: (.*)$/,
  // `Error: …`, `TypeError: …`, `Error [ERR_X]: …`, as Node reports what nobody caught.
  /^(?:Uncaught )?\w*Error(?: \[\w+\])?: (.*)$/,
];

const saidIn = (line: string): string | undefined => {
  for (const pattern of SAID) {
    const text = pattern.exec(line)?.[1];
    if (text !== undefined) return text;
  }
  return undefined;
};

/** The last line that names the reason, without its mark and without a stack; undefined when there is none. */
export const failureIn = (lines: readonly string[]): string | undefined =>
  lines
    .map(saidIn)
    .filter((text) => text !== undefined)
    .at(-1);
