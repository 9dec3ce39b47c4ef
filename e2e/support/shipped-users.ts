import { readFileSync } from 'node:fs';
import { openStreamAdmin } from '@sluice/bus';
import type { NatsOptions } from '@sluice/bus';
import { startNatsServer } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';

/** The users of deploy/nats/users.conf, as tests know them. */
const USERS = ['edge', 'worker', 'admin'];
export const passwordOf = (user: string): string => `${user}-pw`;

/** deploy/nats/users.conf with the passwords it asks for, to be part of a server's configuration. */
export const SHIPPED_USERS = [
  ...USERS.map((user) => `NATS_${user.toUpperCase()}_PASSWORD: ${passwordOf(user)}`),
  readFileSync(new URL('../../deploy/nats/users.conf', import.meta.url), 'utf8'),
].join('\n');

/** The settings of a service that signs in as this user. */
export const credentials = (user: string): Record<string, string> => ({
  SLUICE_NATS_USER: user,
  SLUICE_NATS_PASSWORD: passwordOf(user),
});

/** Makes all streams as `admin`: no other user may. */
export const makeStreams = async (
  url: string,
  more: Pick<NatsOptions, 'replicas' | 'files'> = {},
): Promise<void> => {
  const login = { user: 'admin', password: passwordOf('admin') };
  const admin = await openStreamAdmin({ url, name: 'admin', ...login, ...more });
  try {
    for (const plan of await admin.plans()) await admin.apply(plan);
  } finally {
    await admin.close();
  }
};

/** What the server has refused, but for the streams that services try to create and then only check. */
export const refusalsOf = (nats: NatsServer): string[] =>
  nats
    .log()
    .split('\n')
    .filter((line) => line.includes('Violation') && !line.includes('$JS.API.STREAM.CREATE.'));

/** A server with these users, and all streams. */
export const startShippedNats = async (): Promise<NatsServer> => {
  const nats = await startNatsServer({ config: SHIPPED_USERS });
  await makeStreams(nats.url);
  return nats;
};
