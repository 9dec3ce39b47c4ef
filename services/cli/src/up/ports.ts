import { createServer } from 'node:net';
import { CliError } from '../cli-error.ts';

const failureOf = (host: string, port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use',
  EACCES: 'may not be used by this user',
  EADDRNOTAVAIL: 'cannot be opened: this machine has no such address',
};

export type PortWish = {
  readonly host: string;
  readonly port: number;
  /** the option that changes it, e.g. `--port` */
  readonly flag: string;
};

/**
 * Looked at before anything is started, so that the message can name the option. Whoever takes the port in
 * between makes the part itself fail.
 * @throws CliError when it cannot be listened on
 */
export const requirePort = async ({ host, port, flag }: PortWish): Promise<void> => {
  const failure = port === 0 ? undefined : await failureOf(host, port);
  if (failure === undefined) return;
  const reason = REASONS[failure] ?? `cannot be opened (${failure})`;
  throw new CliError(`port ${port} on ${host} ${reason}; choose another with ${flag} (0: any free one)`);
};

/** The port if it is free, else 0: for addresses that nobody has to remember. */
export const preferPort = async (host: string, port: number): Promise<number> =>
  (await failureOf(host, port)) === undefined ? port : 0;
