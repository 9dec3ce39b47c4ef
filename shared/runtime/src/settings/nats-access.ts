import { accessSync, constants, statSync } from 'node:fs';
import { z } from 'zod';
import type { ConfigProblem } from './config.ts';
import { setting } from './setting.ts';

const SCHEMES: ReadonlySet<string> = new Set(['nats:', 'tls:']);

const serversOf = (text: string): readonly string[] => text.split(',').map((server) => server.trim());

const schemeOf = (server: string): string => (server.includes('://') ? new URL(server).protocol : 'nats:');

// The client library takes any scheme for `nats:`, passes over a user in the address, and waits for a server with a
// name that there cannot be.
const isServer = (server: string): boolean => {
  const url = server.includes('://') ? server : `nats://${server}`;
  if (server.includes('@') || !URL.canParse(url)) return false;
  const { hostname, protocol } = new URL(url);
  return hostname !== '' && SCHEMES.has(protocol);
};

const areServers = (text: string): boolean => {
  const servers = serversOf(text);
  return servers.every(isServer) && new Set(servers.map(schemeOf)).size === 1;
};

/** `nats://host:port`, or `tls://` for all of them, separated by commas. */
export const natsServers = (): z.ZodString =>
  z
    .string()
    .refine(areServers)
    .meta({ title: 'nats://host:port or, for all of them, tls://host:port, separated by commas' });

const isReadable = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    // Not there, or not for us: the same to whoever has to mend it.
    return false;
  }
};

const file = () =>
  z.string().refine(isReadable).meta({ title: 'path of a file that can be read' }).optional();

/** Where NATS is, and how a program shows who it is and knows whom it talks to. */
export const natsAccessSettings = {
  natsUrl: setting(natsServers().default('nats://127.0.0.1:4222'), {
    env: 'SLUICE_NATS_URL',
    about:
      'NATS servers, separated by commas. With `tls://` nothing is said before the handshake; user and password have settings of their own.',
  }),
  natsUser: setting(z.string().min(1).optional(), {
    env: 'SLUICE_NATS_USER',
    about: 'NATS user, when the server asks for one; its name is also in the prefix of reply subjects.',
  }),
  natsPassword: setting(z.string().min(1).optional(), {
    env: 'SLUICE_NATS_PASSWORD',
    about: 'Its password.',
    secret: true,
    // The next setting, whose file is read more than once.
    fromFile: false,
  }),
  natsPasswordFile: setting(file(), {
    env: 'SLUICE_NATS_PASSWORD_FILE',
    about:
      'File with its password, in place of it. This file and the next six are read anew at each connection.',
  }),
  natsTokenFile: setting(file(), {
    env: 'SLUICE_NATS_TOKEN_FILE',
    about: 'File with an authentication token of NATS.',
  }),
  natsCredsFile: setting(file(), {
    env: 'SLUICE_NATS_CREDS_FILE',
    about: 'File with the credentials (JWT and seed) of a NATS user.',
  }),
  natsNkeyFile: setting(file(), {
    env: 'SLUICE_NATS_NKEY_FILE',
    about: 'File with the seed of an nkey.',
  }),
  natsCaFile: setting(file(), {
    env: 'SLUICE_NATS_CA_FILE',
    about: 'PEM file with who signs the certificates of the NATS servers; unset: who Node trusts.',
  }),
  natsCertificateFile: setting(file(), {
    env: 'SLUICE_NATS_CERT_FILE',
    about: 'PEM file with the certificate that this program shows to NATS.',
  }),
  natsKeyFile: setting(file(), {
    env: 'SLUICE_NATS_KEY_FILE',
    about: 'PEM file with the key of that certificate.',
  }),
};

type NatsAccess = {
  readonly [Name in keyof typeof natsAccessSettings]: z.output<(typeof natsAccessSettings)[Name]['schema']>;
};

type Named = keyof NatsAccess;
const isSet = (access: NatsAccess, name: Named): boolean => access[name] !== undefined;
const variableOf = (name: Named): string => natsAccessSettings[name].env;

/** Each shows who this is; a server takes one. */
const LOGINS = [
  'natsPassword',
  'natsPasswordFile',
  'natsTokenFile',
  'natsCredsFile',
  'natsNkeyFile',
] as const satisfies readonly Named[];
const OF_TLS = ['natsCaFile', 'natsCertificateFile', 'natsKeyFile'] as const satisfies readonly Named[];

const onlyWith = (access: NatsAccess, name: Named, other: Named): ConfigProblem[] =>
  isSet(access, name) && !isSet(access, other)
    ? [{ name: variableOf(name), expected: `${variableOf(other)} as well`, got: 'it alone' }]
    : [];

/** Rules across the settings of {@link natsAccessSettings}. */
export const checkNatsAccess = (access: NatsAccess): ConfigProblem[] => {
  const [login, ...more] = LOGINS.filter((name) => isSet(access, name));
  const isTls = schemeOf(serversOf(access.natsUrl)[0] ?? '') === 'tls:';
  return [
    ...more.map((name) => ({
      name: variableOf(name),
      expected: 'one way to log in',
      got: `${variableOf(login ?? name)} as well`,
    })),
    ...OF_TLS.filter((name) => !isTls && isSet(access, name)).map((name) => ({
      name: variableOf(name),
      expected: 'tls://host:port in SLUICE_NATS_URL',
      got: 'servers without TLS',
    })),
    ...onlyWith(access, 'natsPassword', 'natsUser'),
    ...onlyWith(access, 'natsPasswordFile', 'natsUser'),
    ...onlyWith(access, 'natsCertificateFile', 'natsKeyFile'),
    ...onlyWith(access, 'natsKeyFile', 'natsCertificateFile'),
  ];
};

const given = <Key extends string, Value>(key: Key, value: Value | undefined): { [Name in Key]?: Value } =>
  value === undefined ? {} : ({ [key]: value } as { [Name in Key]?: Value });

/** The settings in the form the bus takes. */
export const natsAccessOf = (access: NatsAccess) => ({
  url: access.natsUrl,
  ...given('user', access.natsUser),
  ...given('password', access.natsPassword),
  files: {
    ...given('password', access.natsPasswordFile),
    ...given('token', access.natsTokenFile),
    ...given('creds', access.natsCredsFile),
    ...given('nkey', access.natsNkeyFile),
    ...given('ca', access.natsCaFile),
    ...given('certificate', access.natsCertificateFile),
    ...given('key', access.natsKeyFile),
  },
});
