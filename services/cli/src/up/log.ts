import { stderrColours as pc } from '../terminal/colours.ts';
import { jsonLine, plain, plainJson } from '../terminal/plain.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';
export type Fields = Readonly<Record<string, unknown>>;

/** Where the supervisor and everything it started write; one line each. */
export type UpLog = {
  /** A line that a part wrote itself. */
  line(part: string, line: string): void;
  /** Something the supervisor says about a part. */
  event(level: Level, part: string, event: string, fields?: Fields): void;
};

type Entry = { readonly level: Level; readonly event: string; readonly fields: Fields };

/** JSON as our services log it; undefined for anything else. */
const parseEntry = (line: string): Entry | undefined => {
  if (!line.startsWith('{')) return undefined;
  try {
    const { level, event, time: _time, service: _service, ...fields } = JSON.parse(line) as Fields;
    if (typeof event !== 'string') return undefined;
    return { level: (level ?? 'info') as Level, event, fields };
  } catch {
    // Text that happens to begin with a brace.
    return undefined;
  }
};

const NATS_LINE = /^\[\d+\] \S+ \S+ \[(\w{3})\] (.*)$/;
const NATS_LEVELS: Readonly<Record<string, Level>> = { WRN: 'warn', ERR: 'error', FTL: 'error' };

/**
 * A line of nats-server, or of a stack that Node prints. What NATS only informs about is its banner and its
 * paths, and of a stack the event of the crash has the message: both are for debugging.
 */
const parseText = (line: string): Entry => {
  const [, mark = '', text = line] = NATS_LINE.exec(line) ?? [];
  return { level: NATS_LEVELS[mark] ?? 'debug', event: text, fields: {} };
};

export type LogOptions = {
  readonly write: (text: string) => void;
  /** show lines for debugging as well */
  readonly debug: boolean;
};

/** JSON lines, each with its `part`: what services write passes through, the rest is wrapped. */
export const jsonLog = ({ write, debug }: LogOptions): UpLog => {
  const event: UpLog['event'] = (level, part, name, fields = {}) => {
    const time = new Date().toISOString();
    write(jsonLine({ level, time, service: 'up', part, event: name, ...fields }));
  };
  return {
    event,
    line: (part, line) => {
      if (parseEntry(line) !== undefined) {
        write(`${plainJson(line.slice(0, -1))},"part":${JSON.stringify(part)}}\n`);
        return;
      }
      const entry = parseText(line);
      if (entry.level !== 'debug' || debug) event(entry.level, part, 'output', { text: entry.event });
    },
  };
};

const COLOURS = [pc.cyan, pc.magenta, pc.blue, pc.green, pc.yellow];

const PAINT: Readonly<Record<Level, (text: string) => string>> = {
  debug: pc.dim,
  info: (text) => text,
  warn: pc.yellow,
  error: pc.red,
};

const valueOf = (value: unknown): string => {
  if (Array.isArray(value)) return value.map(valueOf).join(',');
  if (typeof value === 'object' && value !== null)
    return 'message' in value ? String(value.message) : JSON.stringify(value);
  return String(value as string | number | boolean | null | undefined);
};

const fieldsText = (part: string, fields: Fields): string =>
  Object.entries(fields)
    .filter(([, value]) => value !== part)
    .map(([name, value]) => ` ${pc.dim(`${plain(name)}=`)}${plain(valueOf(value))}`)
    .join('');

/** Of a start that goes well a person sees the tick of each part, and no more. */
const isToldByTick = ({ level, event }: Entry): boolean =>
  level === 'info' && /^(starting|\w+_started)$/.test(event);

const tick = (part: string, { ms }: Fields): string =>
  `  ${pc.green('✓')} ${part.padEnd(9)} ${pc.dim(`${(Number(ms) / 1_000).toFixed(1)} s`)}\n`;

/** For people: time, the part's name in its colour, what happened. */
export const prettyLog = ({ write, debug }: LogOptions): UpLog => {
  const colours = new Map<string, (text: string) => string>([['up', pc.bold]]);
  const name = (part: string): string => {
    let colour = colours.get(part);
    if (colour === undefined) {
      colour = COLOURS[(colours.size - 1) % COLOURS.length] ?? pc.cyan;
      colours.set(part, colour);
    }
    return colour(part.padEnd(9));
  };
  const show = (part: string, { level, event, fields }: Entry): void => {
    const time = pc.dim(new Date().toTimeString().slice(0, 8));
    write(
      `${time} ${name(part)} ${PAINT[level](plain(event.replaceAll('_', ' ')))}${fieldsText(part, fields)}\n`,
    );
  };
  return {
    event: (level, part, event, fields = {}) => {
      const entry = { level, event, fields };
      if (event === 'ready') write(tick(part, fields));
      else if (debug || !isToldByTick(entry)) show(part, entry);
    },
    line: (part, line) => {
      const entry = parseEntry(line) ?? parseText(line);
      if (debug || (entry.level !== 'debug' && !isToldByTick(entry))) show(part, entry);
    },
  };
};
