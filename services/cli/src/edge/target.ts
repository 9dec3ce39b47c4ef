import { connect } from '@sluice/client';
import type { Client, Status } from '@sluice/client';
import { CLOSE_CODES } from '@sluice/protocol';
import { CliError } from '../cli-error.ts';
import { readDemo } from '../demo-file.ts';
import { probeUpgrade } from './upgrade-probe.ts';

/** As named by flags or SLUICE_URL and SLUICE_TOKEN. */
export type TargetOptions = {
  readonly url?: string;
  readonly token?: string;
};

/** Which edge to talk to, and as whom. */
export type Target = { readonly url: string; readonly token: string };

const CONNECT_MS = 5_000;

const DEFAULT_URL = 'http://127.0.0.1:8080';

/**
 * What was named, then what a local `sluice up` says. The demo's token is not taken to another server: it would
 * mean nothing there, and is nobody's business.
 */
export const findTarget = (
  named: TargetOptions,
): { readonly url: string; readonly token: string | undefined } => {
  const demo = readDemo();
  const url = named.url ?? demo?.url ?? DEFAULT_URL;
  return { url, token: named.token ?? (url === demo?.url ? demo.token : undefined) };
};

/** As {@link findTarget}. @throws CliError when there is no token */
export const targetOf = (named: TargetOptions): Target => {
  const { url, token } = findTarget(named);
  if (token !== undefined) return { url, token };
  throw new CliError(
    named.url === undefined
      ? 'no `sluice up` runs here: start it in another terminal, or name a server with --url and --token'
      : `no token for ${url}: give one with --token or SLUICE_TOKEN; \`sluice token --help\` makes one`,
  );
};

/** Why a connection was refused for good, and what to do. */
export const refusal = (url: string, code: number, reason: string): CliError => {
  const said = reason === '' ? `code ${code}` : `code ${code}: ${reason}`;
  const advice =
    code === CLOSE_CODES.credential
      ? '. The token is expired or was signed with another secret: make a new one with `sluice token`'
      : '';
  return new CliError(`${url} refused the connection (${said})${advice}`);
};

/** What keeps a first connection from coming about, when waiting would not help. */
const obstacle = async (url: string): Promise<string | undefined> => {
  const probe = await probeUpgrade(url);
  return probe.ok ? undefined : probe.found;
};

/**
 * A live connection, which from then on heals by itself.
 * @throws CliError when nothing that could be an edge is there, it refuses, or none is live within 5 s
 */
export const connectTo = async (target: Target, onStatus: (status: Status) => void): Promise<Client> => {
  const { url, token } = target;
  const client = connect({ url, token, onStatus });
  const live = client.live().then(() => undefined);
  const late = new Promise<string>((resolve) => {
    setTimeout(() => resolve('got no answer to the token'), CONNECT_MS).unref();
  });
  // The first try failed: the client would go on for ever, and does not know what is there instead.
  const absent = new Promise<string>((resolve, reject) => {
    const remove = client.on('status', ({ type }) => {
      if (type !== 'reconnecting') return;
      remove();
      obstacle(url).then((found) => found !== undefined && resolve(found), reject);
    });
  });
  try {
    const found = await Promise.race([live, late, absent]);
    if (found === undefined) return client;
    throw new CliError(
      `expected a Sluice edge at ${url}, ${found}. Is it running, and is the address right? ` +
        '`sluice doctor` looks closer',
    );
  } catch (error) {
    const { status } = client;
    live.catch(() => undefined);
    await client.close();
    throw status.type === 'closed' ? refusal(url, status.code, status.reason) : error;
  }
};
