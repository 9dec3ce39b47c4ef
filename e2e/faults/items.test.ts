/** F39 and F40: what is stored in a session reaches everybody who watches it, through lists, reconnects to NATS and other stores. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { cp, rm } from 'node:fs/promises';
import { createNatsBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { createEdge } from '@sluice/edge';
import type { Edge } from '@sluice/edge';
import { createLogger } from '@sluice/runtime';
import { openEventStream, startFaultProxy, startNatsServer, waitFor } from '@sluice/testkit';
import type { FaultProxy, NatsServer, RawEventStream } from '@sluice/testkit';
import { listingFromLive } from './mutants.ts';
import { keyOf, recordedClient, tokenFor } from '../support/clients.ts';
import { EDGE_DEFAULTS } from '../support/system.ts';

const SESSION = keyOf('s', 'none');
const SDK_TRANSPORTS = ['websocket', 'sse', 'poll'] as const;
const LINES_PER_SECOND = 90;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Somebody who watches the session, and never does more than its transport asks for. */
type Viewer = {
  readonly name: string;
  readonly items: () => readonly string[];
  /** how often it was told to begin anew */
  readonly resets: () => number;
  readonly close: () => void;
};

let nats: NatsServer;
let proxy: FaultProxy;
/** reaches NATS directly, as a worker would */
let bus: Bus;
let edge: Edge;
const closers: (() => Promise<unknown> | undefined)[] = [];
const logs: string[] = [];

const openBus = async (url: string): Promise<Bus> => {
  const opened = await createNatsBus({ url, name: 'e2e' });
  closers.push(() => opened.close());
  return opened;
};

const startEdge = async (name: string, wrap = (bus: Bus): Bus => bus): Promise<Edge> => {
  const logger = createLogger({
    service: 'edge',
    level: 'info',
    destination: { write: (line: string) => void logs.push(line) },
  });
  const options = { ...EDGE_DEFAULTS, name };
  const started = await createEdge(options, { bus: wrap(await openBus(proxy.url('nats'))), logger });
  closers.push(() => started.close());
  return started;
};

beforeEach(async () => {
  nats = await startNatsServer();
  proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: nats.port } });
  bus = await openBus(nats.url);
  edge = await startEdge('edge-1');
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await proxy.close();
  await nats.stop();
});

const sdkViewer = async (transport: (typeof SDK_TRANSPORTS)[number]): Promise<Viewer> => {
  const { client } = recordedClient(edge.url, 'ann', { transports: [transport] });
  const session = client.session('s');
  let resets = 0;
  session.on('error', () => (resets += 1));
  await session.subscribe();
  return {
    name: `SDK over ${transport}`,
    items: () => [...session.items.keys()],
    resets: () => resets,
    close: () => void client.close(),
  };
};

/** Comes back by the last event's id whenever the stream ends, as an EventSource does. */
const streamViewer = async (): Promise<Viewer> => {
  const streams: RawEventStream[] = [];
  let isClosed = false;
  const open = async (): Promise<void> => {
    const lastEventId = streams.at(-1)?.lastEventId;
    const place = lastEventId === undefined ? {} : { lastEventId };
    const url = `${edge.url}/v1/sessions/s/events`;
    const stream = await openEventStream(url, { token: tokenFor('ann'), ...place });
    streams.push(stream);
    void stream.closed.then(() => (isClosed ? undefined : open()));
  };
  await open();
  const lists = () => streams.flatMap((stream) => stream.frames('subscribed'));
  return {
    name: 'event stream',
    items: () => {
      const ids = new Set<string>();
      for (const { event, data } of streams.flatMap(({ events }) => events)) {
        if (event !== 'subscribed' && event !== 'item') continue;
        const frame = JSON.parse(data ?? '{}') as {
          reset?: true;
          items?: { id: string }[];
          item?: { id: string };
        };
        if (frame.reset) ids.clear();
        for (const { id } of frame.items ?? (frame.item === undefined ? [] : [frame.item])) ids.add(id);
      }
      return [...ids];
    },
    resets: () => lists().filter(({ reset }) => reset).length,
    close: () => {
      isClosed = true;
      streams.at(-1)?.close();
    },
  };
};

const viewersOf = async (): Promise<Viewer[]> => {
  const viewers = await Promise.all([...SDK_TRANSPORTS.map(sdkViewer), streamViewer()]);
  closers.push(async () => viewers.forEach(({ close }) => close()));
  return viewers;
};

const lineOf = (id: string) => ({ id, kind: 'message', user: 'ann', createdAt: 1, text: id }) as const;
/** Stores a line however often NATS has to be asked. */
const store = async (id: string): Promise<string> => {
  await waitFor(
    () =>
      bus.sessions.createItem(SESSION, lineOf(id)).then(
        () => true,
        () => false,
      ),
    {
      what: `line ${id} to be stored`,
      timeoutMs: 30_000,
    },
  );
  return id;
};
const storeLines = async (prefix: string, count: number): Promise<string[]> => {
  const ids = Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
  for (const id of ids) await store(id);
  return ids;
};
const storeParked = async (id: string): Promise<string> => {
  const item = { id, kind: 'generation', user: 'ann', createdAt: 1, model: 'm', input: 'x' } as const;
  const state = { governor: 'none', status: 'parked', attempt: 1, epoch: 0, seq: 0 } as const;
  await bus.sessions.createItem(SESSION, { ...item, ...state, parkedAt: Date.now() });
  return id;
};

const missing = (ids: readonly string[], viewer: Viewer): readonly string[] => {
  const has = new Set(viewer.items());
  return ids.filter((id) => !has.has(id));
};
const untilAllHave = async (
  ids: readonly string[],
  viewers: readonly Viewer[],
  timeoutMs = 20_000,
): Promise<void> => {
  const lacking = () => viewers.map((viewer) => ({ viewer: viewer.name, missing: missing(ids, viewer) }));
  await waitFor(() => lacking().every((each) => each.missing.length === 0), {
    what: 'every item',
    timeoutMs,
  }).catch(() => expect(lacking()).toEqual(viewers.map(({ name }) => ({ viewer: name, missing: [] }))));
};

/** Stores lines at a steady rate. @param at what happens once so many were stored */
const storeSteadily = async (
  count: number,
  at: Readonly<Record<number, () => unknown>>,
): Promise<string[]> => {
  const stored: unknown[] = [];
  const ids = Array.from({ length: count }, (_, n) => `line-${n}`);
  for (const [n, id] of ids.entries()) {
    stored.push(store(id), at[n]?.());
    await pause(1_000 / LINES_PER_SECOND);
  }
  await Promise.all(stored);
  return ids;
};

/** 90 lines a second, while the edges have no link to NATS for two seconds, twice. @returns their ids */
const storeThroughLostLinks = (): Promise<string[]> => {
  const away = (): void => {
    proxy.setTarget({ host: '127.0.0.1', port: 1 });
    proxy.cutAll();
  };
  const back = (): void => proxy.setTarget({ host: '127.0.0.1', port: nats.port });
  // Each time more is missed than one page holds.
  return storeSteadily(700, { 50: away, 250: back, 350: away, 550: back });
};

test('F39: 90 lines a second while an edge has no link to NATS for seconds: nobody lacks one', async () => {
  const viewers = await viewersOf();
  await untilAllHave(await storeThroughLostLinks(), viewers);
}, 60_000);

test('M13: an edge whose lists begin where live items ended is found out by the same', async () => {
  edge = await startEdge('mutant', listingFromLive);
  const viewers = await viewersOf();
  const ids = await storeThroughLostLinks();
  await waitFor(() => viewers.every(({ items }) => items().includes(ids.at(-1) ?? '')), {
    what: 'the last line',
  });
  for (const viewer of viewers) expect(missing(ids, viewer)).not.toEqual([]);
}, 60_000);

test('F39: 90 lines a second through a restart of nats-server: nobody lacks one', async () => {
  const viewers = await viewersOf();
  const ids = await storeSteadily(360, { 90: () => nats.restart() });
  await untilAllHave(ids, viewers);
}, 60_000);

test('F39: lines and parked generations that are stored while pages are listed reach who comes meanwhile', async () => {
  const ids = await storeLines('before', 250);
  const coming: Promise<Viewer[]>[] = [];
  for (let n = 0; n < 200; n += 1) {
    ids.push(await (n % 10 === 0 ? storeParked(`parked-${n}`) : store(`during-${n}`)));
    // Each of them finds a feed that is being opened, or lists while more is stored.
    if (n % 50 === 0) {
      edge = await startEdge(`edge-at-${n}`);
      coming.push(viewersOf());
    }
  }
  const viewers = (await Promise.all(coming)).flat();
  expect(viewers).toHaveLength(16);
  await untilAllHave(ids, viewers);
}, 60_000);

describe('F40: another store', () => {
  test('in place of the one that was lost is told to everybody as a reset, and so are its items', async () => {
    await storeLines('old', 40);
    const viewers = await viewersOf();
    await untilAllHave(['old-39'], viewers);
    await nats.kill();
    await rm(nats.storeDir, { recursive: true });
    await nats.restart();
    // Whoever starts next makes the streams again; the edge that is there is told by nobody.
    bus = await openBus(nats.url);
    const ids = await storeLines('new', 5);
    await untilAllHave(ids, viewers);
    for (const viewer of viewers)
      expect([viewer.name, viewer.items(), viewer.resets()]).toEqual([viewer.name, ids, 1]);
  }, 60_000);

  test('that is an older copy of itself is told as a reset', async () => {
    const kept = await storeLines('kept', 20);
    await nats.kill('SIGTERM');
    const copy = `${nats.storeDir}-copy`;
    await cp(nats.storeDir, copy, { recursive: true });
    await nats.restart();
    const lost = await storeLines('lost', 20);
    const viewers = await viewersOf();
    await untilAllHave([...kept, ...lost], viewers);
    await nats.kill('SIGTERM');
    await rm(nats.storeDir, { recursive: true });
    await cp(copy, nats.storeDir, { recursive: true });
    await nats.restart();
    await waitFor(() => viewers.every(({ resets }) => resets() === 1), {
      what: 'a reset for all',
      timeoutMs: 30_000,
    });
    const ids = [...kept, ...(await storeLines('new', 3))];
    await untilAllHave(ids, viewers);
    for (const viewer of viewers) expect([viewer.name, viewer.items()]).toEqual([viewer.name, ids]);
  }, 90_000);
});
