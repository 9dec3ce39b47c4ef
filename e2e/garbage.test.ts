/**
 * Whatever a program with an edge's or a worker's NATS password publishes: it is counted and dropped. Nobody who
 * watches a generation notices, and nothing of it is lost.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createNatsBus, readChain } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import type { Generation, TransportKind } from '@sluice/client';
import { ORG_STATS, SERVER_FRAME_TYPES, SYSTEM_STATS } from '@sluice/protocol';
import type { GenerationKey, StatsReport } from '@sluice/protocol';
import { serverFrameSchemas } from '@sluice/protocol/schema';
import { freePort, openEventStream, sha256, startNatsServer, waitFor } from '@sluice/testkit';
import type { Child, NatsServer } from '@sluice/testkit';
import { jetstream } from '@nats-io/jetstream';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { adminTokenFor, keyOf, ORG, recordedClient, storedText, tokenFor } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { openChat } from './support/chats.ts';
import { GARBAGE, pollute, publishableBy } from './support/garbage.ts';
import { spawnEdge, spawnWorker } from './support/processes.ts';
import { credentials, passwordOf, SHIPPED_USERS } from './support/shipped-users.ts';

const MODEL = Buffer.from('simulated').toString('base64url');
const [SESSION, LIVE] = ['s', 'live'];
/** Nobody's: the server answers these itself. */
const SERVER = 'server';
type Polluted = readonly string[] | typeof SERVER;

const logOf = (session: string, generation: string): string => `tok.0.${ORG}.${session}.${generation}`;
/** Of the live one chunks that it does not get to, and what is no chunk. */
const TOKENS = [
  ...[`${logOf(SESSION, LIVE)}.999`, `${logOf(SESSION, LIVE)}.x`],
  `${logOf(SESSION, 'bad')}.0`,
];
const ITEMS = [`$KV.SESSIONS.${ORG}.${SESSION}.bad`, '$KV.SESSIONS.bad', '$KV.SESSIONS.a.b.c.d'];
const bodyOf = (part: string): string => `body.${ORG}.${SESSION}.${LIVE}.${part}.0123456789abcdef.0`;
const JOBS = [`job.${MODEL}.${ORG}.${SESSION}.bad.1`, `job.x.a.b.c.d`];
const OPEN = [`open.${ORG}.${SESSION}.nobody`, `open.${ORG}.${SESSION}.~`];
const OWN_JOBS = [`own.worker-1.${MODEL}.${ORG}.${SESSION}.bad.1`, 'own.x.a.b.c.d.e'];
const COUNTERS = [`count.${ORG}.${SESSION}.bytes`, `count.${ORG}.${LIVE}.bytes`];
const MARKS = [`erase.${ORG}.bad`];
const LEDGER = [`usage.${ORG}.2026-11-30.${SESSION}.bad`, 'usage.a.b.c.d'];
const READING: Readonly<Record<string, Polluted>> = {
  '$JS.API.INFO': SERVER,
  '$JS.API.STREAM.INFO.*': SERVER,
  '$JS.API.STREAM.MSG.GET.TOKENS': SERVER,
  '$JS.API.STREAM.MSG.GET.KV_SESSIONS': SERVER,
  '$JS.API.STREAM.MSG.GET.KV_PROMPTS': SERVER,
  '$JS.API.STREAM.MSG.GET.COUNTERS': SERVER,
  '$JS.API.STREAM.MSG.GET.BODIES': SERVER,
  '$JS.API.DIRECT.GET.BODIES': SERVER,
  '$JS.API.DIRECT.GET.TOKENS': SERVER,
  '$JS.API.DIRECT.GET.TOKENS.>': SERVER,
  '$JS.API.DIRECT.GET.KV_SESSIONS': SERVER,
  '$JS.API.DIRECT.GET.KV_SESSIONS.>': SERVER,
  '$JS.API.DIRECT.GET.KV_PROMPTS.>': SERVER,
  '$JS.API.DIRECT.GET.KV_WORKERS': SERVER,
  '$JS.API.DIRECT.GET.KV_ORGS': SERVER,
  '$JS.API.DIRECT.GET.OPEN': SERVER,
  '$JS.API.DIRECT.GET.COUNTERS': SERVER,
  '$JS.API.DIRECT.GET.COUNTERS.>': SERVER,
  '$JS.API.DIRECT.GET.CARDS': SERVER,
  '$JS.API.DIRECT.GET.CARDS.>': SERVER,
  '$JS.API.STREAM.MSG.GET.CARDS': SERVER,
};

/** Every subject of deploy/nats/users.conf, and what is published there. */
const POLLUTED: Readonly<Record<'edge' | 'worker', Readonly<Record<string, Polluted>>>> = {
  edge: {
    ...READING,
    '$JS.API.DIRECT.GET.KV_REVOKED': SERVER,
    '$JS.API.DIRECT.GET.USAGE': SERVER,
    '$KV.PROMPTS.>': [`$KV.PROMPTS.${ORG}.${SESSION}.bad`, '$KV.PROMPTS.bad'],
    '$KV.SESSIONS.>': ITEMS,
    'body.*.*.*.*.*.*': [bodyOf('prompt'), bodyOf('message')],
    'job.*.*.*.*.*': JOBS,
    'own.*.*.*.*.*.*': OWN_JOBS,
    'open.*.*.*': OPEN,
    'tok.*.*.*.*.*': TOKENS,
    'count.>': COUNTERS,
    'usage.*.*.*.*': LEDGER,
    'card.*.*': [`card.${ORG}.${SESSION}`, `card.${ORG}.bad`],
    'erase.*.*': MARKS,
    'rate.>': [`rate.${ORG}.1.prompts`],
    '$JS.API.STREAM.MSG.GET.RATES': SERVER,
    '$JS.API.DIRECT.GET.RATES.>': SERVER,
    'ctl.*.*.*': [`ctl.${ORG}.${SESSION}.${LIVE}`],
    'live.pres.*.*.*': [`live.pres.${ORG}.${SESSION}.all`, `live.pres.${ORG}.${ORG_STATS}.all`],
    'stats.ask': ['stats.ask'],
    'conn.*': ['conn.edge-1'],
  },
  worker: {
    ...READING,
    'tok.*.*.*.*.*': TOKENS,
    '$KV.SESSIONS.>': ITEMS,
    'body.*.*.*.input.*.*': [bodyOf('input')],
    'body.*.*.*.answer.*.*': [bodyOf('answer')],
    'job.*.*.*.*.*': JOBS,
    'own.*.*.*.*.*.*': OWN_JOBS,
    'open.*.*.*': OPEN,
    'count.>': COUNTERS,
    'usage.*.*.*.*': LEDGER,
    'erase.*.*': MARKS,
    '$KV.WORKERS.*': ['$KV.WORKERS.bad'],
    'beat.workers': ['beat.workers'],
    'live.state.*.*.*': [`live.state.${ORG}.${SESSION}.${LIVE}`],
    'live.pres.*._sluice_stats.*': [`live.pres.${ORG}.${ORG_STATS}.all`],
    'live.pres.*._sluice_system.*': [`live.pres.${ORG}.${SYSTEM_STATS}.all`],
    '$JS.API.CONSUMER.CREATE.JOBS.>': SERVER,
    '$JS.API.CONSUMER.DELETE.JOBS.*': SERVER,
    '$JS.API.CONSUMER.INFO.JOBS.*': SERVER,
    '$JS.API.CONSUMER.MSG.NEXT.JOBS.*': SERVER,
    '$JS.ACK.JOBS.>': SERVER,
  },
};

let nats: NatsServer;
let edge: Child;
let worker: Child;
let url: string;
let bus: Bus;
let adminPorts: { readonly edge: number; readonly worker: number };
const closers: (() => unknown)[] = [];

const busAs = async (user: string): Promise<Bus> => {
  const opened = await createNatsBus({ url: nats.url, name: user, user, password: passwordOf(user) });
  closers.push(() => opened.close());
  return opened;
};
const connectAs = async (user: string): Promise<NatsConnection> => {
  const inboxPrefix = `_INBOX_${user}`;
  const nc = await connect({ servers: nats.url, user, pass: passwordOf(user), inboxPrefix });
  closers.push(() => nc.close());
  return nc;
};

beforeAll(async () => {
  nats = await startNatsServer({ config: SHIPPED_USERS });
  closers.push(() => nats.stop());
  // The streams: no other user may create them.
  await busAs('admin');
  bus = await busAs('edge');
  adminPorts = { edge: await freePort(), worker: await freePort() };
  ({ child: edge, url } = await spawnEdge(nats.url, {
    ...credentials('edge'),
    SLUICE_EDGE_NAME: 'edge-1',
    SLUICE_EDGE_ADMIN_PORT: String(adminPorts.edge),
  }));
  closers.push(() => edge.kill());
  worker = await spawnWorker(nats.url, {
    ...credentials('worker'),
    SLUICE_WORKER_NAME: 'worker-1',
    SLUICE_WORKER_ADMIN_PORT: String(adminPorts.worker),
    SLUICE_SIMULATED_TOKENS_PER_SECOND: '60',
  });
  closers.push(() => worker.kill());
}, 60_000);
afterAll(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Foreign messages that a service has counted, by kind. */
const counted = async (service: 'edge' | 'worker'): Promise<ReadonlyMap<string, number>> => {
  const text = await (await fetch(`http://127.0.0.1:${adminPorts[service]}/metrics`)).text();
  const lines = text.matchAll(/^sluice_\w+_foreign_messages_total\{kind="(\w+)"\} (\d+)$/gm);
  return new Map([...lines].map(([, kind = '', count]) => [kind, Number(count)]));
};
const kinds = async (service: 'edge' | 'worker'): Promise<readonly string[]> =>
  [...(await counted(service)).keys()].toSorted();

const view = (transport: TransportKind, user: string): RecordedClient => {
  const viewer = recordedClient(url, user, { transports: [transport] });
  closers.push(() => viewer.client.close());
  return viewer;
};

/** Asks for a generation that runs for a while, and resolves once it does. */
const startLive = async (viewer: RecordedClient, id: string, tokens = 600): Promise<Generation> => {
  const params = { simulated: { tokens } };
  const generation = viewer.client.session(SESSION).prompt({ generation: id, input: 'go', params });
  await waitFor(() => generation.position.seq > 5, { what: 'the first tokens' });
  return generation;
};

/** The text of each finished generation of a session, as its log has it. */
const answersOf = async (session: string): Promise<readonly string[]> => {
  const { items } = await bus.sessions.items(keyOf(session, 'any'), 0);
  const done = items.filter(({ item }) => item.kind === 'generation' && item.status === 'done');
  return Promise.all(done.map(({ item }) => storedText(bus, keyOf(session, item.id))));
};

/** Whether the log has a text from its first token on. */
const isWhole = async (key: GenerationKey): Promise<boolean> => {
  const head = await bus.tokens.head(key);
  return head !== undefined && (await readChain(bus.tokens, key, head, 0)).complete;
};

/** Streams an answer as OpenAI's API does. */
const completeChat = async (): Promise<string> => {
  const stream = await openEventStream(`${url}/v1/chat/completions`, {
    method: 'POST',
    token: tokenFor('fay'),
    headers: { 'x-sluice-session': 'completion' },
    body: {
      model: 'simulated',
      stream: true,
      messages: [{ role: 'user', content: 'go' }],
      simulated: { tokens: 300 },
    },
  });
  await stream.closed;
  return stream.events
    .map(({ data = '[DONE]' }) => (data === '[DONE]' ? '' : contentOf(JSON.parse(data) as Chunk)))
    .join('');
};

type Chunk = { readonly choices: readonly { readonly delta: { readonly content?: string } }[] };
const contentOf = ({ choices }: Chunk): string => choices[0]?.delta.content ?? '';

const expectServerFrames = ({ sockets }: RecordedClient): void => {
  for (const { frame } of sockets.flatMap(({ received }) => received)) {
    expect(SERVER_FRAME_TYPES).toContain(frame.type);
    expect(serverFrameSchemas[frame.type].safeParse(frame).error).toBeUndefined();
  }
};

describe.each(['edge', 'worker'] as const)('the table of what %s may publish to', (user) => {
  test('is that of deploy/nats/users.conf', () => {
    expect(Object.keys(POLLUTED[user]).toSorted()).toEqual([...publishableBy(user)].toSorted());
  });
});

test('garbage on every subject harms neither viewers nor services', async () => {
  const viewers = [view('websocket', 'ann'), view('sse', 'bob'), view('poll', 'cid')] as const;
  const admin = recordedClient(url, 'ada', { token: adminTokenFor('ada') });
  closers.push(() => admin.client.close());
  const reporters = new Set<string>();
  const stats = admin.client.session(ORG_STATS);
  stats.on('signal', ({ data }) => void reporters.add((data as StatsReport).name));
  await stats.subscribe({ observe: true });
  const live = await startLive(viewers[0], LIVE);
  await Promise.all(viewers.map(({ client }) => client.session(SESSION).subscribe()));
  const watched = viewers.slice(1).map(({ client }) => client.session(SESSION).generation(LIVE));
  const headers = { authorization: `Bearer ${tokenFor('dan')}` };
  const events = await openEventStream(`${url}/v1/sessions/${SESSION}/generations/${LIVE}/events`, {
    token: tokenFor('dan'),
  });
  const chats = (['http', 'websocket'] as const).map((name) => {
    const chat = openChat(name, url, { id: SESSION, ask: { tokens: 300 } });
    closers.push(() => chat.close());
    return { ...chat, answered: chat.chat.sendMessage({ text: `by ${name}` }) };
  });
  const completion = completeChat();
  await waitFor(() => watched.every(({ position }) => position.seq > 5), { what: 'all viewers to be there' });

  for (const [user, table] of Object.entries(POLLUTED)) {
    const nc = await connectAs(user);
    for (const subjects of Object.values(table))
      if (subjects !== SERVER) for (const subject of subjects) await pollute(nc, subject);
  }

  expect(await live.end).toMatchObject({ reason: 'stop', seq: 600 });
  const text = await storedText(bus, keyOf(SESSION, LIVE));
  for (const generation of [live, ...watched]) expect(sha256(await generation.done)).toBe(sha256(text));
  await events.closed;
  expect(sha256(events.frames('delta').reduce((all, delta) => all + delta.text, ''))).toBe(sha256(text));
  for (const { chat, answered, text: shown } of chats) {
    await answered;
    expect(chat.error).toBeUndefined();
    expect(await answersOf(SESSION)).toContain(shown());
  }
  expect(await answersOf('completion')).toEqual([await completion]);
  // Nobody reconnected: each has the one connection it began with, and no frame that is none.
  for (const viewer of [viewers[0], viewers[1], admin]) expect(viewer.sockets).toHaveLength(1);
  for (const viewer of viewers) expect(viewer.client.status.type).toBe('live');
  for (const viewer of [...viewers, admin]) expectServerFrames(viewer);
  expect([...reporters].toSorted()).toEqual(['edge-1', 'worker-1']);

  expect(await kinds('edge')).toEqual([
    ...['card', 'directory_entry', 'item', 'presence', 'record', 'relay', 'report', 'state', 'stats_ask'],
  ]);
  expect(await kinds('worker')).toEqual(['beat', 'control', 'directory_entry', 'job', 'record', 'stats_ask']);
  const pieces = Object.keys(GARBAGE).length;
  // Once for each that reads them.
  expect((await counted('worker')).get('beat')).toBe(2 * pieces);
  expect((await counted('edge')).get('state')).toBe(pieces);

  // The session goes on: listed, prompted, answered.
  const late = view('websocket', 'eve').client.session(SESSION);
  const next = late.prompt({ input: 'again', params: { simulated: { tokens: 5 } } });
  expect(await next.end).toMatchObject({ reason: 'stop', seq: 5 });
  const page = await fetch(`${url}/v1/sessions/${SESSION}/generations/${LIVE}`, { headers });
  expect(await page.json()).toMatchObject({ id: LIVE, status: 'done', text });
}, 120_000);

test('a generation whose item is overwritten with garbage is watched to its end, and left out of its session', async () => {
  const viewer = view('websocket', 'ann');
  const session = viewer.client.session('overwritten');
  const generation = session.prompt({ generation: 'g', input: 'go', params: { simulated: { tokens: 120 } } });
  await waitFor(() => generation.position.seq > 5, { what: 'the first tokens' });
  await pollute(await connectAs('worker'), `$KV.SESSIONS.${ORG}.overwritten.g`);
  expect(await generation.end).toMatchObject({ reason: 'stop', seq: 120 });
  const text = await storedText(bus, keyOf('overwritten', 'g'));
  expect(sha256(await generation.done)).toBe(sha256(text));
  expect(viewer.sockets).toHaveLength(1);
  const late = view('websocket', 'bob').client.session('overwritten');
  await late.message('still here', { id: 'm' });
  await late.subscribe();
  expect([...late.items.keys()]).toEqual(['m']);
}, 30_000);

test('a chunk that is overwritten with garbage while it is written, is written again', async () => {
  const viewer = view('websocket', 'ann');
  const nc = await connectAs('worker');
  const session = viewer.client.session('open-chunks');
  const params = { simulated: { tokens: 200 } };
  const generation = session.prompt({ generation: 'g', input: 'go', params });
  await waitFor(() => generation.position.seq > 5, { what: 'the first tokens' });
  const log = logOf('open-chunks', 'g');
  const hits = new Set<number>();
  while (generation.position.seq < 150) {
    const { chunk = 0, sequence = 0 } = (await bus.tokens.head(keyOf('open-chunks', 'g'))) ?? {};
    // Refused where the chunk is not the newest any more.
    const expect = { lastSubjectSequence: sequence, lastSubjectSequenceSubject: `${log}.*` };
    const hit = jetstream(nc).publish(`${log}.${chunk}`, '{}', { expect });
    await hit.then(
      () => hits.add(chunk),
      () => undefined,
    );
  }
  expect(hits.size).toBeGreaterThan(2);
  expect(await generation.end).toMatchObject({ reason: 'stop', seq: 200 });
  expect(sha256(await generation.done)).toBe(sha256(await storedText(bus, keyOf('open-chunks', 'g'))));
  expect(viewer.sockets).toHaveLength(1);
}, 30_000);

test('a closed chunk that is overwritten with garbage is told as expired, and the item has the whole text', async () => {
  const viewer = view('websocket', 'ann');
  const nc = await connectAs('worker');
  const params = { simulated: { tokens: 300 } };
  const generation = viewer.client.session('closed').prompt({ generation: 'g', input: 'go', params });
  await waitFor(() => generation.position.seq > 100, { what: 'three chunks' });
  await jetstream(nc).publish(`${logOf('closed', 'g')}.1`, '{}');
  expect(await generation.end).toMatchObject({ reason: 'stop', seq: 300 });
  const key = keyOf('closed', 'g');
  const itemText = async (): Promise<string | undefined> => {
    const item = (await bus.sessions.item(key, key.generation))?.item;
    return item?.kind === 'generation' && item.status === 'done' ? item.text : undefined;
  };
  expect(await waitFor(itemText, { what: 'the item to be done' })).toBe(await generation.done);
  expect(await isWhole(key)).toBe(false);
  // On an edge that had no copy of it.
  const { child, url: elsewhere } = await spawnEdge(nats.url, { ...credentials('edge') });
  closers.push(() => child.kill());
  const late = recordedClient(elsewhere, 'bob');
  closers.push(() => late.client.close());
  await late.client.session('closed').subscribe();
  const seen = late.client.session('closed').generation('g');
  expect(await seen.done).toBe(await generation.done);
}, 60_000);

test('a prompt that is overwritten with garbage is still known by its item', async () => {
  const session = view('websocket', 'ann').client.session('repeated');
  const prompt = { generation: 'g', input: 'go', params: { simulated: { tokens: 5 } } };
  expect(await session.prompt(prompt).end).toMatchObject({ reason: 'stop' });
  await pollute(await connectAs('edge'), `$KV.PROMPTS.${ORG}.repeated.g`);
  const repeat = (input: string) =>
    view('websocket', 'ann')
      .client.session('repeated')
      .prompt({ ...prompt, input }).accepted;
  expect(await repeat('go')).toMatchObject({ created: false });
  await expect(repeat('stop')).rejects.toMatchObject({ code: 'conflict' });
  expect((await counted('edge')).get('prompt')).toBeGreaterThan(0);
}, 30_000);

test('neither service ended, whatever came', () => {
  for (const child of [edge, worker]) expect(() => process.kill(child.pid, 0)).not.toThrow();
});
