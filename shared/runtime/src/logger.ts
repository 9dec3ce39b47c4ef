import { pino } from 'pino';
import type { DestinationStream, Logger as PinoLogger } from 'pino';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Ids and figures; an Error goes under `error`. Never tokens' text, prompts or credentials. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log. `event` is one snake_case name, and everything variable is a field. */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger whose every line carries `fields` too. */
  with(fields: LogFields): Logger;
}

export type LoggerOptions = {
  readonly service: string;
  /** default `info` */
  readonly level?: LogLevel;
  /** where lines go; default stderr, written synchronously so that the last line before a crash is kept */
  readonly destination?: DestinationStream;
};

const STDERR = 2;
const MAX_CAUSES = 3;

// A net under the rule that credentials are never logged: also one level down, e.g. in `headers`.
const SECRET_FIELDS = ['token', 'jwt', 'authorization', 'Authorization', 'secret', 'password', 'cookie'];
const REDACTED_PATHS = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]);

type SerialisedError = {
  readonly code?: unknown;
  readonly message: string;
  readonly stack?: string | undefined;
  readonly cause?: SerialisedError;
};

const serialiseError = (error: unknown, withStack: boolean, depth = 0): SerialisedError => {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code } = error as { code?: unknown };
  return {
    ...(code === undefined ? {} : { code }),
    message: error.message,
    ...(withStack ? { stack: error.stack } : {}),
    ...(error.cause === undefined || depth >= MAX_CAUSES
      ? {}
      : { cause: serialiseError(error.cause, withStack, depth + 1) }),
  };
};

const wrap = (lines: PinoLogger): Logger => ({
  debug: (event, fields) => lines.debug(fields ?? {}, event),
  info: (event, fields) => lines.info(fields ?? {}, event),
  warn: (event, fields) => lines.warn(fields ?? {}, event),
  error: (event, fields) => lines.error(fields ?? {}, event),
  with: (fields) => wrap(lines.child(fields)),
});

/**
 * JSON lines `{"level","time","service","event",…}`, `time` in ISO 8601. Line breaks in values are escaped, so one
 * call is one line whatever a client put into an id. Errors become `{code, message, cause}`, with `stack` when the
 * level is `debug`.
 */
export const createLogger = ({ service, level = 'info', destination }: LoggerOptions): Logger => {
  const error = (value: unknown): SerialisedError => serialiseError(value, level === 'debug');
  return wrap(
    pino(
      {
        level,
        base: { service },
        messageKey: 'event',
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error, err: error },
        redact: { paths: REDACTED_PATHS, censor: '[redacted]' },
      },
      destination ?? pino.destination({ fd: STDERR, sync: true }),
    ),
  );
};

const nothing = (): void => {};

/** Says nothing: for tests and for parts that are used without a service. */
export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  with: () => silentLogger,
};
