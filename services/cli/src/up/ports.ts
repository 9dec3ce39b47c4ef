import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
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

/** The first of these ports if all are free, else 0: for addresses that nobody has to remember. */
export const preferPorts = async (host: string, ports: readonly number[]): Promise<number> => {
  const failures = await Promise.all(ports.map((port) => failureOf(host, port)));
  return failures.every((failure) => failure === undefined) ? (ports[0] ?? 0) : 0;
};

/** Ports that nothing listens on now, for parts that have to know each other's before any has started. */
export const freePorts = async (host: string, count: number): Promise<readonly number[]> => {
  const probes = Array.from({ length: count }, () => createServer());
  // All at once: one that is closed before the next is opened may be given twice.
  await Promise.all(
    probes.map((probe) => new Promise<void>((resolve) => probe.listen({ port: 0, host }, resolve))),
  );
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port);
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  return ports;
};
