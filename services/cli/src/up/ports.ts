import { createServer } from 'node:net';
import { CliError } from '../cli-error.ts';

const failureOf = (host: string, port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });

export type PortWish = {
  readonly host: string;
  readonly port: number;
  /** the option that changes it, e.g. `--port` */
  readonly flag: string;
  /** another way out */
  readonly hint?: string;
};

const explain = (failure: string, { host, port, flag, hint }: PortWish): string => {
  const where = `port ${port} on ${host}`;
  if (failure === 'EADDRNOTAVAIL' || failure === 'ENOTFOUND')
    return `${where} cannot be opened: this machine has no such address; correct --host`;
  const reason = failure === 'EADDRINUSE' ? 'is in use' : `cannot be opened (${failure})`;
  return `${where} ${reason}; choose another with ${flag} (0: any free one)${hint === undefined ? '' : `, or ${hint}`}`;
};

/**
 * Looked at before anything is started, so that the message can name the option. Whoever takes the port in
 * between makes the part itself fail.
 * @throws CliError when it cannot be listened on
 */
export const requirePort = async (wish: PortWish): Promise<void> => {
  const failure = wish.port === 0 ? undefined : await failureOf(wish.host, wish.port);
  if (failure !== undefined) throw new CliError(explain(failure, wish));
};

/** The port if it is free, else 0: for addresses that nobody has to remember. */
export const preferPort = async (host: string, port: number): Promise<number> =>
  (await failureOf(host, port)) === undefined ? port : 0;
