import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { PeerCertificate } from 'node:tls';
import {
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from 'nats';
import type { Authenticator, ConnectionOptions } from 'nats';

/** Paths. Each file is read anew at each connection, so that what is in it may change. */
export type NatsFiles = {
  readonly password?: string;
  readonly token?: string;
  /** a NATS user's JWT and seed */
  readonly creds?: string;
  /** the seed of an nkey */
  readonly nkey?: string;
  /** PEM: who signs the servers' certificates, in place of who Node trusts */
  readonly ca?: string;
  /** PEM: what is shown to a server that asks for a certificate, and its key */
  readonly certificate?: string;
  readonly key?: string;
};

export type NatsAccess = {
  /** `nats://host:port` or `tls://host:port`, several separated by commas; one with TLS: all of them */
  readonly url: string;
  /** also the name of the inbox prefix, whatever shows who this is */
  readonly user?: string;
  readonly password?: string;
  readonly files?: NatsFiles;
};

type TlsOptions = NonNullable<ConnectionOptions['tls']>;

export const serversOf = (url: string): readonly string[] => url.split(',').map((server) => server.trim());

const isTls = (server: string): boolean => server.startsWith('tls://');

const textIn = (path: string): string => readFileSync(path, 'utf8').trim();

/** Undefined where nothing is shown, or a certificate alone. */
const authenticatorOf = ({ user, password, files = {} }: NatsAccess): Authenticator | undefined => {
  const { creds, nkey, token, password: passwordFile, certificate } = files;
  if (creds !== undefined) return credsAuthenticator(() => readFileSync(creds));
  if (nkey !== undefined) return nkeyAuthenticator(() => new TextEncoder().encode(textIn(nkey)));
  if (token !== undefined) return tokenAuthenticator(() => textIn(token));
  if (user === undefined) return undefined;
  if (passwordFile !== undefined) return usernamePasswordAuthenticator(user, () => textIn(passwordFile));
  if (password === undefined && certificate !== undefined) return undefined;
  return usernamePasswordAuthenticator(user, password ?? '');
};

const hostOf = (server: string): string => {
  const { hostname } = new URL(server.includes('://') ? server : `nats://${server}`);
  return hostname.replace(/^\[|\]$/g, '');
};

/**
 * The library names no host when it dials an address, and Node would then look for `localhost` in the certificate: it
 * would refuse one for the address, and take one for `localhost` from anywhere.
 */
const identityCheck = (servers: readonly string[]) => {
  const hosts = servers.map(hostOf);
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  return (host: string, certificate: PeerCertificate): Error | undefined => {
    if (hosts.includes(host) || addresses.length === 0) return checkServerIdentity(host, certificate);
    const faults = addresses.map((address) => checkServerIdentity(address, certificate));
    return faults.includes(undefined) ? undefined : faults[0];
  };
};

/** With these the library reads a server's greeting, and says nothing before the handshake is done. */
const tlsOf = ({ url, files = {} }: NatsAccess): TlsOptions | undefined => {
  const servers = serversOf(url);
  if (!servers.some(isTls)) return undefined;
  const { ca, certificate, key } = files;
  const rest = { checkServerIdentity: identityCheck(servers) };
  return {
    ...(ca === undefined ? {} : { caFile: ca }),
    ...(certificate === undefined ? {} : { certFile: certificate }),
    ...(key === undefined ? {} : { keyFile: key }),
    // Handed on to Node's `tls.connect`.
    ...rest,
  };
};

/** The part of the library's options that says where to connect, and as whom. */
export const accessOptions = (access: NatsAccess): ConnectionOptions => {
  const authenticator = authenticatorOf(access);
  const tls = tlsOf(access);
  return {
    servers: [...serversOf(access.url)],
    ...(authenticator === undefined ? {} : { authenticator }),
    ...(tls === undefined ? {} : { tls }),
  };
};

const TLS_FAULT = /^(UNABLE_TO_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_|ERR_TLS_|ERR_SSL_|ERR_OSSL_)/;

// Not `instanceof`: what Node itself throws may come from another realm than this module.
const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';

/** Whether the server is not to be talked to, which waiting does not change. */
export const isTlsFault = (error: Error): boolean =>
  error.message.includes("does not support 'tls'") ||
  [error, error.cause].some((each) => TLS_FAULT.test(codeOf(each)));
