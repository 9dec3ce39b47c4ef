import pc from 'picocolors';

export type Colours = ReturnType<typeof pc.createColors>;

const { NO_COLOR = '', FORCE_COLOR = '' } = process.env;

/** picocolors itself looks at stdout alone. */
const coloursFor = ({ isTTY }: { readonly isTTY?: boolean }): Colours =>
  pc.createColors(
    NO_COLOR === '' && (FORCE_COLOR !== '' || (isTTY === true && process.env['TERM'] !== 'dumb')),
  );

export const stdoutColours = coloursFor(process.stdout);
export const stderrColours = coloursFor(process.stderr);
