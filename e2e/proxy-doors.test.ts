/** What nginx and HAProxy, as shipped, do with TLS and HTTP/2, with sessions, and with the addresses of clients. */
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Edge } from '@sluice/edge';
import { startAdminServer } from '@sluice/runtime';
import type { AdminServer } from '@sluice/runtime';
import { SimulatedEngine } from '@sluice/simulator';
import { waitFor } from '@sluice/testkit';
import { hasOpenssl, openAuthority } from './support/certificates.ts';
import type { Authority, Certificate } from './support/certificates.ts';
import { recordedClient, tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';
import { startWebProxy, webProxyTest } from './support/web-proxies.ts';
import type { WebProxy, WebProxyName } from './support/web-proxies.ts';

const STREAMS = 100;
const SESSIONS = 24;

let system: System;
let edges: Edge[];
let admins: AdminServer[];
let authority: Authority | undefined;

beforeAll(async () => {
  system = await startSystem();
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 200 }));
  // An address that is refused five times has asked enough.
  const limits = { trustedProxies: ['127.0.0.1'], strangerRequestsPerMinute: 50 };
  edges = [await system.addEdge(limits), await system.addEdge(limits)];
  admins = await Promise.all(
    edges.map((edge) =>
      startAdminServer({
        port: 0,
        registry: edge.metrics.registry,
        ready: () => ({ ready: true, reason: '' }),
      }),
    ),
  );
  if (hasOpenssl) authority = await openAuthority();
});
afterAll(async () => {
  for (const admin of admins) await admin.close();
  await system.close();
  await authority?.close();
});

/** What a test has opened. */
const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});
const front = async (name: WebProxyName, tls?: Certificate): Promise<WebProxy> => {
  const proxy = await startWebProxy(name, { edges: ports(), ...(tls === undefined ? {} : { tls }) });
  opened.push(() => proxy.close());
  return proxy;
};

const ports = () => edges.map((edge, at) => ({ port: edge.port, adminPort: admins[at]?.port ?? 0 }));

/** What a request is answered with. @param from the address of this machine that it comes from */
const statusOf = (url: string, from: string, headers: Readonly<Record<string, string>>): Promise<number> =>
  new Promise((resolve, reject) => {
    const asked = request(`${url}/v1/models`, { headers, localAddress: from, agent: false }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
    });
    asked.on('error', reject).end();
  });

type EventStream = {
  readonly stream: ClientHttp2Stream;
  readonly text: () => string;
  readonly status: () => number;
};

const openStream = (connection: ClientHttp2Session, session: string): EventStream => {
  const stream = connection.request({
    ':path': `/v1/sessions/${session}/events`,
    authorization: `Bearer ${tokenFor('ann')}`,
  });
  let [text, status] = ['', 0];
  stream.on('response', (headers) => (status = headers[':status'] ?? 0));
  stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return { stream, text: () => text, status: () => status };
};

describe.each(['nginx', 'haproxy'] as const)('behind %s', (name: WebProxyName) => {
  const webTest = webProxyTest(name);
  const tlsTest = hasOpenssl ? webTest : test.skip;

  tlsTest(
    `${STREAMS} streams share one connection of HTTP/2 over TLS, and each gets all of an answer`,
    async () => {
      if (authority === undefined) throw new Error('expected an authority');
      const tls = await authority.issue(`proxy-${name}`, 'IP:127.0.0.1');
      const proxy = await front(name, tls);
      const connection = connect(proxy.url, { ca: await readFile(authority.ca) });
      opened.push(() => connection.destroy());
      const session = `tls-${name}`;
      const streams = Array.from({ length: STREAMS }, () => openStream(connection, session));
      await waitFor(() => streams.every(({ status }) => status() === 200), { what: 'all streams to begin' });
      expect(connection.alpnProtocol).toBe('h2');
      const { client } = recordedClient(edges[0]?.url ?? '');
      opened.push(() => client.close());
      const generation = client
        .session(session)
        .prompt({ input: 'go', params: { simulated: { tokens: 50 } } });
      await generation.done;
      const isEnded = ({ text }: EventStream): boolean => text().includes('event: end');
      await waitFor(() => streams.every(isEnded), { what: 'the end on each stream', timeoutMs: 20_000 });
    },
    60_000,
  );

  webTest(
    'requests about a session go to one edge, and sessions to all of them',
    async () => {
      const proxy = await front(name);
      const before = await Promise.all(edges.map(sessionsAt));
      const leaving = new AbortController();
      opened.push(() => leaving.abort());
      const headers = { authorization: `Bearer ${tokenFor('ann')}` };
      // Each on a connection of its own, as different browsers would.
      for (let session = 0; session < SESSIONS; session += 1)
        for (let viewer = 0; viewer < 3; viewer += 1) {
          const url = `${proxy.url}/v1/sessions/${name}-${session}/events`;
          expect((await fetch(url, { headers, signal: leaving.signal })).status).toBe(200);
        }
      const at = (await Promise.all(edges.map(sessionsAt))).map((count, edge) => count - (before[edge] ?? 0));
      expect(at.reduce((sum, count) => sum + count, 0)).toBe(SESSIONS);
      expect(Math.min(...at)).toBeGreaterThan(0);
    },
    60_000,
  );

  webTest(
    'a client is known by its own address, whatever it says of it',
    async () => {
      const proxy = await front(name);
      const [bad, good] = name === 'nginx' ? ['127.0.0.12', '127.0.0.13'] : ['127.0.0.22', '127.0.0.23'];
      const guess = (from: string, at: number): Promise<number> =>
        statusOf(proxy.url, from, { authorization: 'Bearer guessed', 'x-forwarded-for': `10.9.8.${at}` });
      // Two edges each have a budget for the address.
      const answers: number[] = [];
      for (let at = 0; at < 30; at += 1) answers.push(await guess(bad, at));
      expect(answers[0]).toBe(401);
      expect(answers.slice(-5).every((status) => status === 429)).toBe(true);
      expect(await guess(good, 1)).toBe(401);
    },
    60_000,
  );
});

const sessionsAt = async (edge: Edge): Promise<number> => {
  const line = /^sluice_edge_sessions (\d+)$/m.exec(await edge.metrics.registry.metrics());
  return Number(line?.[1]);
};
