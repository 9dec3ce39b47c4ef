import { inspect } from 'node:util';
import { natsAccessSettings } from './settings/nats-access.ts';

const { natsUrl, natsUser, natsPassword, natsCaFile } = natsAccessSettings;

/** What to do, by the code of what went wrong. */
const ADVICE: Readonly<Record<string, string>> = {
  unavailable: `see that NATS runs and has its leaders, or set ${natsUrl.env} to where it is`,
  refused_login: `set ${natsUser.env} and ${natsPassword.env} to a login that it knows`,
  refused_tls: `start the server with TLS, and name who signed its certificate with ${natsCaFile.env}`,
  unsupported_server: `start such a server, or set ${natsUrl.env} to where one is`,
  EADDRINUSE: 'end what listens there, or set another port',
  EACCES: 'set a port that this user may open, most often one from 1024 on',
  EADDRNOTAVAIL: 'set an address of this machine',
};

/** As Node reports that it cannot listen. */
type ListenError = Error & { readonly code: string; readonly address: string; readonly port: number };

const isListenError = (error: Error): error is ListenError =>
  'syscall' in error && error.syscall === 'listen';

const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  if (isListenError(error))
    return `${error.address}:${error.port}: expected an address that is free to listen on, got ${error.code}`;
  return error.message === '' ? error.name : error.message;
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : '';

/** One line: what was expected, what came, and what to do where that is known. */
export const describeStartError = (error: unknown): string => {
  const text = messageOf(error)
    .trim()
    .replaceAll(/\s*\n\s*/g, '; ');
  const advice = ADVICE[codeOf(error)];
  return advice === undefined ? text : `${text}; ${advice}`;
};

/** Something that a start opened. */
type Part = { close(): Promise<void> };

/** Hands a part through, and closes it should the start fail after it. */
export type Own = <Opened extends Part>(part: Opened) => Opened;

/** How long what was opened before may take to close, ms. */
const CLOSE_TIMEOUT_MS = 5_000;

/** The newest first: others may have heard of this service already, and must not count on it. */
const closeAll = async (parts: readonly Part[]): Promise<void> => {
  for (const part of parts.toReversed())
    await part.close().catch((error: unknown) => {
      process.stderr.write(`what was opened could not be closed: ${describeStartError(error)}\n`);
    });
};

/**
 * Runs the start of a service. What keeps it from starting is one line on stderr and the exit code 1: whoever runs a
 * service has no use for a stack, which log level `debug` adds.
 * @param service e.g. `edge`
 */
export const startService = async (service: string, start: (own: Own) => Promise<void>): Promise<void> => {
  const parts: Part[] = [];
  try {
    await start((part) => {
      parts.push(part);
      return part;
    });
  } catch (error) {
    const late = new Promise((resolve) => setTimeout(resolve, CLOSE_TIMEOUT_MS));
    await Promise.race([closeAll(parts), late]);
    process.stderr.write(`sluice ${service} cannot start: ${describeStartError(error)}\n`);
    // From the environment: it may be the settings that are refused.
    if (process.env['SLUICE_LOG_LEVEL'] === 'debug') process.stderr.write(`${inspect(error)}\n`);
    process.exit(1);
  }
};
