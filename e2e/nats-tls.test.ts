/** NATS over TLS, with certificates on both sides. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BusUnavailableError, RefusedTlsError, createNatsBus, openStreamAdmin } from '@sluice/bus';
import type { NatsOptions } from '@sluice/bus';
import { startNatsServer, waitFor } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { z } from 'zod';
import { hasOpenssl, openAuthority } from './support/certificates.ts';
import type { Authority, Certificate } from './support/certificates.ts';
import { recordedClient } from './support/clients.ts';
import { startPlainNats } from './support/plain-nats.ts';
import { spawnEdge, spawnWorker } from './support/processes.ts';
import { SHIPPED_USERS } from './support/shipped-users.ts';

const USERS = ['edge', 'worker', 'admin'] as const;
const closers: (() => unknown)[] = [];

let authority: Authority;
let mine: Certificate;
let folder: string;

const serverWith = async ({ certificate, key }: Certificate, more = ''): Promise<NatsServer> => {
  const tls = `tls { cert_file: "${certificate}", key_file: "${key}", ca_file: "${authority.ca}", verify: true }`;
  const server = await startNatsServer({ config: `${tls}\n${more}`, monitor: true });
  closers.push(() => server.stop());
  return server;
};

const tlsUrl = ({ port }: NatsServer, host = '127.0.0.1'): string => `tls://${host}:${port}`;

const Connections = z.object({
  connections: z.array(z.object({ name: z.string().optional(), tls_version: z.string().optional() })),
});

/** How each connection is encrypted, by its name. */
const encryptions = async ({ monitorUrl = '' }: NatsServer): Promise<Record<string, string | undefined>> => {
  const { connections } = Connections.parse(await (await fetch(`${monitorUrl}/connz`)).json());
  return Object.fromEntries(connections.map((each) => [each.name ?? '', each.tls_version]));
};

(hasOpenssl ? describe : describe.skip)('on a machine with openssl', () => {
  beforeAll(async () => {
    authority = await openAuthority();
    mine = await authority.issue('service', 'DNS:service');
    folder = await mkdtemp(join(tmpdir(), 'sluice-passwords-'));
    for (const user of USERS) await writeFile(join(folder, user), `${user}-pw\n`);
  });
  afterAll(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
    await authority.close();
    await rm(folder, { recursive: true });
  });

  const files = () => ({ ca: authority.ca, ...mine });
  const open = (url: string, options: Partial<NatsOptions> = {}) =>
    createNatsBus({ url, name: 'tls', files: files(), ...options });
  const refusalOf = async (url: string, options: Partial<NatsOptions> = {}): Promise<RefusedTlsError> => {
    const outcome: unknown = await open(url, options).then(
      (bus) => bus.close(),
      (error: unknown) => error,
    );
    if (outcome instanceof RefusedTlsError) return outcome;
    throw new Error(`expected a refusal, got ${String(outcome)}`);
  };

  test('an edge and a worker with certificates and password files do a whole generation', async () => {
    const nats = await serverWith(await authority.issue('nats', 'IP:127.0.0.1'), SHIPPED_USERS);
    const url = tlsUrl(nats);
    const login = { user: 'admin', files: { ...files(), password: join(folder, 'admin') } };
    const admin = await openStreamAdmin({ url, name: 'admin', ...login });
    for (const plan of await admin.plans()) await admin.apply(plan);
    await admin.close();
    const settings = (user: string) => ({
      SLUICE_NATS_USER: user,
      SLUICE_NATS_PASSWORD_FILE: join(folder, user),
      SLUICE_NATS_CA_FILE: authority.ca,
      SLUICE_NATS_CERT_FILE: mine.certificate,
      SLUICE_NATS_KEY_FILE: mine.key,
    });
    const edge = await spawnEdge(url, settings('edge'));
    closers.push(() => edge.child.kill());
    const worker = await spawnWorker(url, settings('worker'));
    closers.push(() => worker.kill());
    const { client } = recordedClient(edge.url);
    closers.push(() => client.close());
    const run = client.session('s').prompt({ input: 'go', params: { simulated: { tokens: 100 } } });
    expect(await run.end).toMatchObject({ reason: 'stop', seq: 100 });
    const found = await encryptions(nats);
    expect(Object.keys(found).toSorted()).toEqual([
      expect.stringMatching(/^sluice-edge /),
      expect.stringMatching(/^sluice-worker /),
    ]);
    for (const version of Object.values(found)) expect(version).toBe('1.3');
  }, 60_000);

  test('without a certificate of its own nobody gets in', async () => {
    const nats = await serverWith(await authority.issue('verifying', 'IP:127.0.0.1'));
    // The server cuts the connection after its side of the handshake, and the client library then only waits.
    await expect(open(tlsUrl(nats), { files: { ca: authority.ca } })).rejects.toThrow(BusUnavailableError);
    expect(nats.log()).toContain("client didn't provide a certificate");
  });

  test('a server that somebody else has signed is refused', async () => {
    const stranger = await openAuthority();
    closers.push(() => stranger.close());
    const nats = await serverWith(await stranger.issue('stranger', 'IP:127.0.0.1'));
    expect((await refusalOf(tlsUrl(nats))).message).toMatch(/unable to verify the first certificate/);
  });

  test('the certificate has to be for the address or the name that was dialled', async () => {
    const address = await serverWith(await authority.issue('address', 'IP:127.0.0.1'));
    const local = await serverWith(await authority.issue('local', 'DNS:localhost'));
    const other = await serverWith(await authority.issue('other', 'DNS:nats.example.com,IP:10.0.0.1'));
    await (await open(tlsUrl(address))).close();
    await (await open(tlsUrl(local, 'localhost'))).close();
    // Node by itself would look for `localhost` where an address was dialled.
    for (const url of [
      tlsUrl(address, 'localhost'),
      tlsUrl(local),
      tlsUrl(other),
      tlsUrl(other, 'localhost'),
    ])
      expect((await refusalOf(url)).message).toMatch(/does not match certificate/);
  });

  test('a server without TLS that takes the place of one with it is told nothing at a reconnect', async () => {
    const nats = await serverWith(await authority.issue('replaced', 'IP:127.0.0.1'));
    const bus = await open(tlsUrl(nats), { user: 'edge', password: 'a-password' });
    closers.push(() => bus.close());
    await nats.stop();
    const plain = await startPlainNats(nats.port);
    closers.push(() => plain.close());
    await waitFor(() => plain.connections >= 3, { what: 'three reconnects', timeoutMs: 20_000 });
    expect(plain.received).toBe('');
    expect(bus.link.connected).toBe(false);
  }, 30_000);

  test('of several servers, one may be away', async () => {
    const nats = await serverWith(await authority.issue('second', 'IP:127.0.0.1'));
    await (await open(`tls://127.0.0.1:1, ${tlsUrl(nats)}`)).close();
  });
});
