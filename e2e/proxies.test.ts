/**
 * The shipped configurations of nginx and HAProxy, the real programs, and what they do to streams: whatever carries
 * it, every viewer ends with the stored text.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { TransportKind } from '@sluice/client';
import type { Edge } from '@sluice/edge';
import { startAdminServer } from '@sluice/runtime';
import type { AdminServer } from '@sluice/runtime';
import { checkTranscript, sha256, waitFor } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import { keyOf, recordedClient, storedText } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { attachmentsOf } from './support/recording.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';
import { startWebProxy, webProxyTest } from './support/web-proxies.ts';
import type { Replacement, WebProxy, WebProxyName } from './support/web-proxies.ts';

const TOKENS = 400;
const TRANSPORTS: readonly TransportKind[] = ['websocket', 'sse', 'poll'];

type Front = { readonly edge: Edge; readonly admin: AdminServer };

let system: System;
let bus: Bus;
let fronts: Front[];
let proxy: WebProxy | undefined;
let viewers: RecordedClient[];

beforeEach(async () => {
  system = await startSystem();
  bus = await system.bus();
  fronts = [];
  viewers = [];
  proxy = undefined;
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 200, ttftMs: 200, source: 'ngram' }));
});
afterEach(async () => {
  for (const { client } of viewers) await client.close();
  await proxy?.close();
  for (const { admin } of fronts) await admin.close();
  await system.close();
});

const addFront = async (): Promise<Front> => {
  const edge = await system.addEdge();
  const { registry } = edge.metrics;
  const ready = () => ({ ready: edge.accepting, reason: 'draining' });
  const front = { edge, admin: await startAdminServer({ port: 0, registry, ready }) };
  fronts.push(front);
  return front;
};

const start = async (
  name: WebProxyName,
  replace: readonly Replacement[] = [],
  prefix = '',
): Promise<WebProxy> => {
  const edges = fronts.map(({ edge, admin }) => ({ port: edge.port, adminPort: admin.port }));
  proxy = await startWebProxy(name, { edges, replace, prefix });
  return proxy;
};

const view = (url: string, transports: readonly TransportKind[]): RecordedClient => {
  const viewer = recordedClient(url, 'ann', { transports });
  viewers.push(viewer);
  return viewer;
};

/** Every viewer's raw frames and its text, against the log. */
const expectStoredText = async (generation: string): Promise<void> => {
  const text = await storedText(bus, keyOf('s', generation));
  expect(text.length).toBeGreaterThan(TOKENS);
  for (const { client, sockets } of viewers) {
    const shown = client.session('s').generation(generation);
    await shown.end;
    expect(sha256(shown.text)).toBe(sha256(text));
    const report = checkTranscript(generation, attachmentsOf(sockets, generation));
    expect({ ...report, text: sha256(report.text) }).toMatchObject({
      ...{ violations: [], holes: 0, overlaps: 0, wireDuplicates: 0 },
      text: sha256(text),
    });
  }
};

const prompt = (viewer: RecordedClient) =>
  viewer.client.session('s').prompt({ input: 'go', params: { simulated: { tokens: TOKENS } } });

const SETUPS: readonly (readonly [string, WebProxyName, readonly Replacement[]])[] = [
  ['nginx as shipped', 'nginx', []],
  ['nginx with buffering on', 'nginx', [['proxy_buffering off;', 'proxy_buffering on;']]],
  ['HAProxy as shipped', 'haproxy', []],
  [
    'HAProxy that collects requests',
    'haproxy',
    [['option forwardfor', 'option forwardfor\n    option http-buffer-request']],
  ],
];

describe.each(SETUPS)('behind %s', (_, name, replace) => {
  webProxyTest(name)(
    'viewers by WebSocket, SSE and polling get identical transcripts',
    async () => {
      await addFront();
      const { url } = await start(name, replace);
      const [first = view(url, []), ...others] = TRANSPORTS.map((transport) => view(url, [transport]));
      for (const viewer of others) await viewer.client.session('s').subscribe();
      const generation = prompt(first);
      await generation.end;
      await expectStoredText(generation.id);
    },
    60_000,
  );
});

webProxyTest('nginx')(
  'behind a path that nginx takes off viewers by WebSocket, SSE and polling get identical transcripts',
  async () => {
    await addFront();
    const { url } = await start(
      'nginx',
      [
        ['location / {', 'location /sluice/ {'],
        ['proxy_pass http://sluice_edges;', 'proxy_pass http://sluice_edges/;'],
      ],
      '/sluice',
    );
    const [first = view(url, []), ...others] = TRANSPORTS.map((transport) => view(url, [transport]));
    for (const viewer of others) await viewer.client.session('s').subscribe();
    const generation = prompt(first);
    await generation.end;
    await expectStoredText(generation.id);
  },
  60_000,
);

/** Compression that does not flush between events is what holds them back in practice. */
const HOLDING = `proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;
  gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0;`;

webProxyTest('nginx')(
  'a proxy that lets no WebSocket through and holds streams back leaves polling, with the same text',
  async () => {
    await addFront();
    const { url } = await start('nginx', [
      ['proxy_set_header Upgrade $http_upgrade;', ''],
      ['proxy_buffering off;', HOLDING],
    ]);
    const viewer = view(url, ['sse', 'poll']);
    const generation = prompt(viewer);
    await generation.end;
    expect(viewer.client.status).toMatchObject({ type: 'live', transport: 'poll' });
    await expectStoredText(generation.id);
  },
  60_000,
);

describe.each(['nginx', 'haproxy'] as const)('an edge that goes away behind %s', (name) => {
  webProxyTest(name)(
    'costs no viewer a token, whatever carries it',
    async () => {
      const [first] = [await addFront(), await addFront()];
      const { url } = await start(name);
      const [author = view(url, []), ...others] = TRANSPORTS.map((transport) => view(url, [transport]));
      for (const viewer of others) await viewer.client.session('s').subscribe();
      const generation = prompt(author);
      await waitFor(() => generation.position.seq > TOKENS / 4, { what: 'a quarter of the answer' });
      await first.edge.close();
      await generation.end;
      await expectStoredText(generation.id);
    },
    60_000,
  );
});

// Two minutes of nothing are too long for every run: `make faults` has them.
const longTest = process.env['FAULTS'] === 'long' ? test : test.skip;
const IDLE_MS = 125_000;

longTest(
  'connections that carry nothing for two minutes stay open behind both, as shipped',
  async () => {
    await addFront();
    const idle: { readonly viewer: RecordedClient; readonly sockets: number }[] = [];
    const proxies: WebProxy[] = [];
    for (const name of ['nginx', 'haproxy'] as const) {
      const { url } = await start(name);
      proxies.push(proxy as WebProxy);
      for (const transport of TRANSPORTS) {
        const viewer = view(url, [transport]);
        await viewer.client.session('s').subscribe();
        idle.push({ viewer, sockets: viewer.sockets.length });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    for (const { viewer, sockets } of idle) expect(viewer.sockets).toHaveLength(sockets);
    const generation = prompt((idle[0] as (typeof idle)[number]).viewer);
    await generation.end;
    await expectStoredText(generation.id);
    for (const { viewer, sockets } of idle) expect(viewer.sockets).toHaveLength(sockets);
    await proxies[0]?.close();
  },
  IDLE_MS + 60_000,
);
