import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Queue } from '@sluice/testkit';
import { connect, nkeys } from 'nats';
import type { NatsConnection } from 'nats';
import { z } from 'zod';
import { accessOptions } from '../src/nats/connection/access.ts';
import type { NatsAccess } from '../src/nats/connection/access.ts';

const NONCE = 'a-nonce-of-the-server';
const Shown = z.looseObject({ sig: z.string().optional() });
type Shown = z.infer<typeof Shown>;

let server: Server;
let url: string;
let folder: string;
let sockets: Set<Socket>;
/** what each connection showed of who it is */
let shown: Queue<Shown>;
let opened: NatsConnection[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-access-'));
  shown = new Queue();
  sockets = new Set();
  opened = [];
  const info = { server_id: 'x', version: '2.15.1', headers: true, max_payload: 1_048_576, proto: 1 };
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      const text = bytes.toString('utf8');
      const [, json] = /CONNECT (.*)\r\n/.exec(text) ?? [];
      if (json !== undefined) shown.push(Shown.parse(JSON.parse(json)));
      if (text.includes('PING')) socket.write('PONG\r\n');
    });
    socket.write(`INFO ${JSON.stringify({ ...info, nonce: NONCE })}\r\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await Promise.all(opened.map((nc) => nc.close()));
  for (const socket of sockets) socket.destroy();
  server.close();
  await rm(folder, { recursive: true });
});

const file = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};
const open = async (access: Omit<NatsAccess, 'url'>): Promise<void> => {
  const options = accessOptions({ url, ...access });
  opened.push(await connect({ ...options, reconnectTimeWait: 10, maxReconnectAttempts: -1 }));
};
const seedOf = (key: ReturnType<typeof nkeys.createUser>): string => new TextDecoder().decode(key.getSeed());
const isSigned = (key: ReturnType<typeof nkeys.createUser>, { sig = '' }: Shown): boolean =>
  key.verify(new TextEncoder().encode(NONCE), nkeys.decode(sig));

test('a password, from a file too', async () => {
  await open({ user: 'edge', password: 'pw' });
  expect(await shown.next()).toMatchObject({ user: 'edge', pass: 'pw' });
  await open({ user: 'edge', files: { password: await file('password', 'from-file\n') } });
  expect(await shown.next()).toMatchObject({ user: 'edge', pass: 'from-file' });
});

test('a token', async () => {
  await open({ user: 'edge', files: { token: await file('token', 'a-token\n') } });
  const found = await shown.next();
  expect(found).toMatchObject({ auth_token: 'a-token' });
  expect(found).not.toHaveProperty('user');
});

test('an nkey, which signs what the server gave and is not sent', async () => {
  const key = nkeys.createUser();
  await open({ user: 'edge', files: { nkey: await file('nkey', `${seedOf(key)}\n`) } });
  const found = await shown.next();
  expect(found).toMatchObject({ nkey: key.getPublicKey() });
  expect(isSigned(key, found)).toBe(true);
  expect(JSON.stringify(found)).not.toContain(seedOf(key));
});

test('a file of credentials', async () => {
  const key = nkeys.createUser();
  const text = [
    '-----BEGIN NATS USER JWT-----\na.user.jwt\n------END NATS USER JWT------\n',
    `-----BEGIN USER NKEY SEED-----\n${seedOf(key)}\n------END USER NKEY SEED------\n`,
  ].join('\n');
  await open({ files: { creds: await file('user.creds', text) } });
  const found = await shown.next();
  expect(found).toMatchObject({ jwt: 'a.user.jwt' });
  expect(isSigned(key, found)).toBe(true);
});

test('a user without a password shows nothing where a certificate does', async () => {
  await open({ user: 'edge', files: { certificate: await file('cert', ''), key: await file('key', '') } });
  expect(await shown.next()).not.toHaveProperty('user');
});

test('a file that has changed is read at the next connection', async () => {
  const path = await file('password', 'before');
  await open({ user: 'edge', files: { password: path } });
  expect(await shown.next()).toMatchObject({ pass: 'before' });
  await writeFile(path, 'after');
  for (const socket of sockets) socket.destroy();
  expect(await shown.next()).toMatchObject({ pass: 'after' });
});
