/** A worker whose servers are behind a proxy, a password and a certificate of a private authority. */
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startMockServer } from '@sluice/simulator';
import type { MockServer } from '@sluice/simulator';
import { waitFor } from '@sluice/testkit';
import OpenAI from 'openai';
import { hasOpenssl, openAuthority } from './support/certificates.ts';
import { tokenFor } from './support/clients.ts';
import { spawnAdministeredWorker } from './support/processes.ts';
import type { WorkerProcess } from './support/processes.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const closers: (() => unknown)[] = [];
let system: System;
let mock: MockServer;
let worker: WorkerProcess;
let url: string;
/** what the proxy was asked to reach, with the credentials it was shown */
const tunnels: string[] = [];

const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;

/** Leads every tunnel to the mock, whatever its name: only through here does it exist. */
const startProxy = async (): Promise<Server> => {
  const proxy = createHttpServer((_, response) => response.writeHead(405).end());
  proxy.on('connect', ({ url: target = '', headers }, socket) => {
    tunnels.push(`${target} ${headers['proxy-authorization'] ?? ''}`);
    const upstream = connect(mock.port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      one.pipe(other);
      one.on('error', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return proxy;
};

/** The mock, behind TLS. */
const startTls = async (): Promise<{ readonly port: number; readonly ca: string }> => {
  const authority = await openAuthority();
  const { certificate, key } = await authority.issue('models', 'IP:127.0.0.1');
  const server = createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (socket) => {
    const upstream = connect(mock.port, '127.0.0.1');
    socket.pipe(upstream).pipe(socket);
    socket.on('error', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () => authority.close(),
    () => server.close(),
  );
  return { port: portOf(server), ca: authority.ca };
};

beforeAll(async () => {
  system = await startSystem();
  closers.push(() => system.close());
  ({ url } = await system.addEdge());
  mock = await startMockServer({ simulated: { tokens: 3, models: ['m'] } });
  closers.push(() => mock.close());
  const proxy = await startProxy();
  closers.push(() => proxy.close());
  const tls = hasOpenssl ? await startTls() : undefined;
  worker = await spawnAdministeredWorker(system.nats.url, {
    SLUICE_ENGINE: 'openai',
    SLUICE_UPSTREAMS: JSON.stringify([
      ...[{ name: 'far', url: 'http://models.invalid/v1', aliases: { far: 'm' }, models: [] }],
      ...(tls === undefined
        ? []
        : [
            {
              name: 'near',
              url: `https://ann:s%40cret@127.0.0.1:${tls.port}/v1`,
              aliases: { near: 'm' },
              models: [],
            },
          ]),
    ]),
    SLUICE_LOG_LEVEL: 'debug',
    HTTP_PROXY: `http://bob:pass@127.0.0.1:${portOf(proxy)}`,
    HTTPS_PROXY: `http://127.0.0.1:${portOf(proxy)}`,
    NO_PROXY: '127.0.0.1',
    ...(tls === undefined ? {} : { NODE_EXTRA_CA_CERTS: tls.ca }),
  });
  closers.push(() => worker.child.kill('SIGTERM'));
}, 40_000);
afterAll(async () => {
  for (const close of closers.toReversed()) await close();
});

const ask = async (model: string) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: tokenFor('ann'), maxRetries: 0 });
  await waitFor(async () => (await client.models.list()).data.some(({ id }) => id === model), {
    what: `the model ${model}`,
    timeoutMs: 15_000,
  });
  const { choices } = await client.chat.completions.create({
    model,
    messages: [{ role: 'user', content: 'hi' }],
  });
  expect(choices[0]?.message.content).not.toBe('');
};

test('a server that only a proxy reaches is asked through it', async () => {
  await ask('far');
  const basic = Buffer.from('bob:pass').toString('base64');
  expect(new Set(tunnels)).toEqual(new Set([`models.invalid:80 Basic ${basic}`]));
}, 30_000);

const testWithTls = hasOpenssl ? test : test.skip;

testWithTls(
  'one that NO_PROXY names is asked directly, by TLS of its own authority, with its password',
  async () => {
    const before = tunnels.length;
    await ask('near');
    const basic = Buffer.from('ann:s@cret').toString('base64');
    expect(mock.requests.at(-1)?.headers.authorization).toBe(`Basic ${basic}`);
    expect(tunnels).toHaveLength(before);
  },
  30_000,
);

test('no password is logged', () => {
  const output = worker.child.output();
  expect(output).toContain('configured');
  for (const secret of ['s%40cret', 's@cret', 'bob:pass', Buffer.from('ann:s@cret').toString('base64')])
    expect(output).not.toContain(secret);
});
