/** Server-sent events on a whole system: resumed, cut and stalled, by real clients and by raw ones. */
import { subscribe as onChannel, unsubscribe as offChannel } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MIN_LEAD } from '@sluice/core';
import type { Position, ServerFrame } from '@sluice/protocol';
import { checkTranscript, openEventStream, sha256, startFaultProxy, waitFor } from '@sluice/testkit';
import type { ReceivedFrames, RawEventStream } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import { EventSource } from 'eventsource';
import { keyOf, storedText, tokenFor } from './support/clients.ts';
import { spawnEdge } from './support/processes.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const KIB = 1024;
const token = tokenFor('ann');

let system: System;
const closers: (() => unknown)[] = [];
beforeEach(async () => {
  system = await startSystem();
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await system.close();
});

const put = async (url: string, path: string, body: object): Promise<void> => {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(`${url}${path}`, { method: 'PUT', headers, body: JSON.stringify(body) });
  expect(response.status).toBe(201);
};

const positionOf = (lastEventId: string): Position => {
  const [epoch, seq] = lastEventId.split('-').map(Number);
  return { epoch: epoch ?? 0, seq: seq ?? 0 };
};

/** What one connection of the stream of a generation received, and where it had said it was. */
const attachmentOf = (stream: RawEventStream, lastEventId: string | undefined): ReceivedFrames => {
  const frames = stream.events.flatMap(({ data }) =>
    data === undefined ? [] : [JSON.parse(data) as ServerFrame],
  );
  return lastEventId === undefined ? { frames } : { frames, given: positionOf(lastEventId) };
};

const WHOLE = { violations: [], holes: 0, overlaps: 0, wireDuplicates: 0 };

// compat(eventsource): chat stream, resume
test('an EventSource goes on where it was when its edge is killed, and stays away after the end', async () => {
  const tokens = 400;
  const [first, second] = [await spawnEdge(system.nats.url), await spawnEdge(system.nats.url)];
  closers.push(() => Promise.all([first.child.kill(), second.child.kill()]));
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 80, ttftMs: 20, source: 'ngram' }));
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: first.port } });
  closers.push(() => proxy.close());
  const path = '/v1/sessions/s/generations/g';
  await put(first.url, path, { input: 'go', params: { simulated: { tokens } } });

  const given: (string | undefined)[] = [];
  const attachments: ServerFrame[][] = [];
  const source = new EventSource(`${proxy.url('http')}${path}/events`, {
    fetch: (url, init) => {
      given.push(init.headers['Last-Event-ID']);
      attachments.push([]);
      return fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
    },
  });
  closers.push(() => source.close());
  for (const type of ['delta', 'reset', 'end'])
    source.addEventListener(type, ({ data }) => attachments.at(-1)?.push(JSON.parse(data) as ServerFrame));
  const received = (): number => attachments.flat().filter(({ type }) => type === 'delta').length;
  await waitFor(() => received() > 20, { what: 'the first tokens', timeoutMs: 10_000 });
  await first.child.kill('SIGKILL');
  proxy.setTarget({ host: '127.0.0.1', port: second.port });

  await waitFor(() => source.readyState === EventSource.CLOSED, { what: 'the end', timeoutMs: 30_000 });
  const seen = attachments.map((frames, i): ReceivedFrames => {
    const place = given[i];
    return place === undefined ? { frames } : { frames, given: positionOf(place) };
  });
  const report = checkTranscript(
    'g',
    seen.filter(({ frames }) => frames.length > 0),
  );
  expect(report).toMatchObject({ ...WHOLE, seq: tokens, reason: 'stop', ends: 1 });
  expect(sha256(report.text)).toBe(sha256(await storedText(await system.bus(), keyOf('s', 'g'))));
  // Cut once, perhaps refused while the edges changed places, and told at last that there is no more.
  expect(given.length).toBeGreaterThanOrEqual(3);
  expect(given.at(-1)).toBe(`0-${tokens}-end`);
}, 60_000);

test('a stream cut at 200 random points ends with the stored text, nothing twice, nothing missing', async () => {
  const [tokens, cuts] = [2_000, 200];
  const edge = await system.addEdge();
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 150, ttftMs: 200, source: 'ngram' }));
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: edge.port } });
  closers.push(() => proxy.close());
  const path = '/v1/sessions/s/generations/g';
  await put(edge.url, path, { input: 'go', params: { simulated: { tokens } } });

  const attachments: ReceivedFrames[] = [];
  let lastEventId: string | undefined;
  for (let cut = 0; lastEventId?.endsWith('end') !== true; cut += 1) {
    // The head of the answer is about 500 bytes, so some cuts fall before the first event.
    if (cut < cuts) proxy.cutAfter(1 + Math.floor(Math.random() * 1_200), 'down');
    const place = lastEventId === undefined ? {} : { lastEventId };
    try {
      const stream = await openEventStream(`${proxy.url('http')}${path}/events`, { token, ...place });
      await stream.closed;
      attachments.push(attachmentOf(stream, lastEventId));
      lastEventId = stream.lastEventId ?? lastEventId;
    } catch {
      // Cut within the head: nothing was received.
    }
  }
  const text = await storedText(await system.bus(), keyOf('s', 'g'));
  const report = checkTranscript(
    'g',
    attachments.filter(({ frames }) => frames.length > 0),
  );
  expect(report).toMatchObject({ ...WHOLE, seq: tokens, ends: 1 });
  expect(sha256(report.text)).toBe(sha256(text));
  expect(proxy.accepted).toBeGreaterThanOrEqual(cuts);
}, 60_000);

describe('a reader that stalls', () => {
  /** the edge's side of every connection */
  const sockets: Socket[] = [];
  const onSocket = (message: unknown): void => void sockets.push((message as { socket: Socket }).socket);
  beforeEach(() => onChannel('net.server.socket', onSocket));
  afterEach(() => {
    offChannel('net.server.socket', onSocket);
    sockets.length = 0;
  });

  test('costs the edge no buffer and stops its workers within their lead; reading again, it gets all', async () => {
    const [runs, tokens] = [24, 400];
    const edge = await system.addEdge();
    // Each token is 1 KiB, so that together they exceed what the kernel takes off the edge's hands.
    const large = { watermark: 'x'.repeat(KIB) };
    const engine = new SimulatedEngine({ tokensPerSecond: 100, ttftMs: 1, source: 'ngram', ...large });
    const worker = await system.addWorker(engine);
    const stream = await openEventStream(`${edge.url}/v1/sessions/s/events`, { token });
    closers.push(() => stream.close());
    const socket = sockets.at(-1) as Socket;
    stream.pause();
    let peak = 0;
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    socket.write = ((...args: unknown[]) => {
      const result = write(...args);
      peak = Math.max(peak, socket.writableLength);
      return result;
    }) as typeof socket.write;

    const ids = Array.from({ length: runs }, (_, i) => `g${i}`);
    for (const id of ids)
      await put(edge.url, `/v1/sessions/s/generations/${id}`, {
        ...{ input: 'go', lead: 'strict', onAbandon: 'park', params: { simulated: { tokens } } },
      });
    const bus = await system.bus();
    const statuses = async (): Promise<(string | undefined)[]> => {
      const { items } = await bus.sessions.items(keyOf('s', 'g0'), 0);
      return items.map(({ item }) => (item.kind === 'generation' ? item.status : undefined));
    };
    const areHeld = async (): Promise<boolean> => {
      const all = await statuses();
      return all.includes('parked') && all.every((status) => status === 'parked' || status === 'done');
    };
    await waitFor(areHeld, { what: 'every run to be parked or done', timeoutMs: 30_000 });
    const made = worker.tally.orgs.total.tokens;
    expect(made - edge.tally.orgs.total.delivered).toBeLessThanOrEqual(runs * MIN_LEAD);
    expect(made).toBeLessThan(runs * tokens);
    expect(peak).toBeLessThan(128 * KIB);

    stream.resume();
    await waitFor(() => stream.frames('end').length === runs, { what: 'every end', timeoutMs: 30_000 });
    for (const id of ids) {
      const frames = stream.events.flatMap(({ data }) =>
        data === undefined ? [] : [JSON.parse(data) as ServerFrame],
      );
      const report = checkTranscript(id, [{ frames }]);
      expect(report).toMatchObject({ ...WHOLE, seq: tokens });
      expect(sha256(report.text)).toBe(sha256(await storedText(bus, keyOf('s', id))));
    }
  }, 90_000);
});
