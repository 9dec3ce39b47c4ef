import { namesOf, pause, startClient } from '../bench.ts';
import type { Bench, Measure, Outcome, Row } from '../bench.ts';
import type { ClientApi } from '../clients/client-main.ts';
import type { Verification } from '../clients/crowd.ts';
import type { Received } from '../clients/tally.ts';
import type { RelayApi } from '../peers/relay-main.ts';
import type { RelayPublisherApi } from '../peers/relay-publisher-main.ts';
import { cpuDuring } from '../process-usage.ts';
import { startRemote } from '../remote.ts';
import type { Remote } from '../remote.ts';
import { medianOf, medianRatio } from '../statistics.ts';
import type { EdgeProcess } from '../system.ts';

const TOKENS_PER_SECOND = 20;
/** Prompts are spread over this long, so that the sessions are out of step, ms. */
const PROMPTING_MS = 1_500;
/** Generations go on for this long after the window, so that none ends within it, ms. */
const MARGIN_MS = 1_500;
const SETTLE_MS = 500;
/** Sessions that start within the window, beside those that stream: their first tokens are looked at. */
const LATE_SHARE = 0.02;

const MAX_RATIO = 1.1;
const MAX_P50_MS = 2.5;
const MAX_P99_MS = 15;

type Sides = {
  readonly edge: EdgeProcess;
  readonly viewers: Remote<ClientApi>;
  readonly late: Remote<ClientApi>;
  readonly relay: Remote<RelayApi>;
  readonly publisher: Remote<RelayPublisherApi>;
  readonly relayViewers: Remote<ClientApi>;
  readonly sessions: readonly string[];
};

/** One window: what it cost and what arrived. */
type Window = { readonly usPerToken: number; readonly received: Received };
type LiveWindow = Window & {
  readonly first: Received['firstLatency'];
  readonly natsMs: number;
  readonly workerMs: number;
};
type Repetition = {
  readonly live: LiveWindow;
  readonly relay: Window;
  readonly verifications: readonly Verification[];
};

/**
 * P2, P3: many sessions that stream at once, end to end, against a relay of core NATS messages to
 * WebSockets that neither stores, replays nor paces.
 */
export const sessions: Measure = {
  ids: ['P2', 'P3'],
  run: async (bench) => {
    const sides = await open(bench);
    try {
      await repeat(bench, sides);
      const repetitions: Repetition[] = [];
      for (let count = 1; count <= bench.size.repetitions; count += 1) {
        bench.say(
          `P2 and P3, ${bench.size.sessions} sessions, repetition ${count} of ${bench.size.repetitions}`,
        );
        repetitions.push(await repeat(bench, sides));
      }
      return outcomeOf(bench, repetitions);
    } finally {
      const { viewers, late, relay, publisher, relayViewers, edge } = sides;
      await Promise.all([viewers, late, relay, publisher, relayViewers].map((process) => process.close()));
      await edge.close();
    }
  },
};

const open = async ({ system, size, say }: Bench): Promise<Sides> => {
  say(`P2 and P3, opening ${size.sessions} sessions at the edge and at the relay`);
  const edge = await system.addEdge();
  const [viewers, late, relayViewers] = [startClient(), startClient(), startClient()];
  const relay = startRemote<RelayApi>(new URL('../peers/relay-main.ts', import.meta.url));
  const publisher = startRemote<RelayPublisherApi>(
    new URL('../peers/relay-publisher-main.ts', import.meta.url),
  );
  const names = namesOf('stream', size.sessions);
  await viewers.call('open', { target: edge.target, sessions: names });
  await viewers.call('subscribe', null);
  const lateNames = namesOf('late', Math.ceil(size.sessions * LATE_SHARE));
  await late.call('open', { target: edge.target, sessions: lateNames });
  await late.call('subscribe', null);
  const port = await relay.call('start', system.natsUrl);
  await relayViewers.call('open', { target: { kind: 'relay', port }, sessions: names });
  await pause(SETTLE_MS);
  return { edge, viewers, late, relay, publisher, relayViewers, sessions: names };
};

const repeat = async (bench: Bench, sides: Sides): Promise<Repetition> => {
  const live = await runLive(bench, sides);
  await pause(SETTLE_MS);
  const relay = await runRelay(bench, sides);
  await pause(SETTLE_MS);
  return {
    live: live.window,
    relay: relay.window,
    verifications: [...live.verifications, ...relay.verifications],
  };
};

const tokensFor = (ms: number): number => Math.ceil((TOKENS_PER_SECOND * ms) / 1000);

const runLive = async ({ system, size }: Bench, { edge, viewers, late }: Sides) => {
  const { windowMs } = size;
  const bodyOf = (tokens: number) => ({
    input: `tell ${Date.now()}`,
    params: { simulated: { source: 'ngram', tokens, tokensPerSecond: TOKENS_PER_SECOND, ttftMs: 200 } },
  });
  await viewers.call('begin', null);
  await late.call('begin', null);
  const body = bodyOf(tokensFor(PROMPTING_MS + windowMs + MARGIN_MS));
  await viewers.call('prompt', { count: size.sessions, overMs: PROMPTING_MS, body });
  await viewers.call('started', size.sessions);
  await late.call('mark', null);
  const lateCount = Math.ceil(size.sessions * LATE_SHARE);
  const lateDone = (async () => {
    const order = { count: lateCount, overMs: windowMs * 0.8, body: bodyOf(tokensFor(500)) };
    await late.call('prompt', order);
    await late.call('ended', lateCount);
  })();
  const others = await cpuDuring(system.natsPid, () =>
    cpuDuring(system.workerPid, () => measure(edge.pid, viewers, windowMs)),
  );
  await lateDone;
  await viewers.call('ended', size.sessions);
  const { firstLatency: first, frames } = await late.call('read', null);
  const window = { ...others.result.result, first, natsMs: others.cpuMs, workerMs: others.result.cpuMs };
  const verifications = [await viewers.call('verify', null), await late.call('verify', null)];
  return { window: { ...window, lateFrames: frames }, verifications };
};

const runRelay = async ({ system, size }: Bench, sides: Sides) => {
  const { relay, publisher, relayViewers, sessions: names } = sides;
  await relayViewers.call('begin', null);
  const publishing = publisher.call('run', {
    natsUrl: system.natsUrl,
    sessions: names,
    tokensPerSecond: TOKENS_PER_SECOND,
    tokens: tokensFor(size.windowMs + MARGIN_MS),
  });
  await relayViewers.call('started', size.sessions);
  await pause(SETTLE_MS);
  const window = await measure(relay.pid, relayViewers, size.windowMs);
  const text = await publishing;
  await relayViewers.call('ended', size.sessions);
  return { window, verifications: [await relayViewers.call('verify', text)] };
};

const measure = async (pid: number, viewers: Remote<ClientApi>, windowMs: number): Promise<Window> => {
  await viewers.call('mark', null);
  const { cpuMs } = await cpuDuring(pid, () => pause(windowMs));
  const received = await viewers.call('read', null);
  return { usPerToken: (cpuMs * 1000) / received.tokens, received };
};

const outcomeOf = (bench: Bench, repetitions: readonly Repetition[]): Outcome => ({
  rows: [costRow(bench, repetitions), latencyRow(bench, repetitions), firstTokenRow(repetitions)],
  verifications: repetitions.flatMap(({ verifications }) => verifications),
});

const costRow = ({ size }: Bench, repetitions: readonly Repetition[]): Row => {
  const edgeUs = repetitions.map(({ live }) => live.usPerToken);
  const relayUs = repetitions.map(({ relay }) => relay.usPerToken);
  const tokens = (repetition: Repetition): number => repetition.live.received.tokens;
  const ratio = medianRatio(edgeUs, relayUs);
  return {
    id: 'P2',
    what: `${size.sessions} sessions x ${TOKENS_PER_SECOND} tokens/s, acks included: edge CPU per token against a bare ws.send relay`,
    target: `<= ${MAX_RATIO} x`,
    value: `${ratio.toFixed(2)} x`,
    ok: ratio <= MAX_RATIO,
    figures: {
      ratio,
      edgeUsPerToken: medianOf(edgeUs),
      relayUsPerToken: medianOf(relayUs),
      workerUsPerToken: medianOf(repetitions.map((each) => (each.live.workerMs * 1000) / tokens(each))),
      natsUsPerToken: medianOf(repetitions.map((each) => (each.live.natsMs * 1000) / tokens(each))),
      tokensPerFrame: medianOf(repetitions.map(({ live }) => live.received.tokens / live.received.frames)),
    },
  };
};

const latencyRow = ({ size }: Bench, repetitions: readonly Repetition[]): Row => {
  const p50 = medianOf(repetitions.map(({ live }) => live.received.latency.p50));
  const p99 = medianOf(repetitions.map(({ live }) => live.received.latency.p99));
  const perSecond = repetitions.map(({ live }) => (live.received.tokens * 1000) / size.windowMs);
  return {
    id: 'P3',
    what: `latency worker -> client at ${size.sessions * TOKENS_PER_SECOND} tokens/s, p50 and p99`,
    target: `<= ${MAX_P50_MS}, ${MAX_P99_MS} ms`,
    value: `${p50.toFixed(1)}, ${p99.toFixed(1)} ms`,
    ok: p50 <= MAX_P50_MS && p99 <= MAX_P99_MS,
    figures: {
      p50Ms: p50,
      p99Ms: p99,
      tokensPerSecond: medianOf(perSecond),
      relayP50Ms: medianOf(repetitions.map(({ relay }) => relay.received.latency.p50)),
      relayP99Ms: medianOf(repetitions.map(({ relay }) => relay.received.latency.p99)),
    },
  };
};

const firstTokenRow = (repetitions: readonly Repetition[]): Row => {
  const first = medianOf(repetitions.map(({ live }) => live.first.p50));
  const slowest = medianOf(repetitions.map(({ live }) => live.first.p99));
  return {
    id: 'P3',
    what: 'the same of first tokens, of generations that begin meanwhile',
    target: `<= ${MAX_P50_MS}, ${MAX_P99_MS} ms`,
    value: `${first.toFixed(1)}, ${slowest.toFixed(1)} ms`,
    ok: first <= MAX_P50_MS && slowest <= MAX_P99_MS,
    figures: {
      p50Ms: first,
      p99Ms: slowest,
      countPerRepetition: medianOf(repetitions.map(({ live }) => live.first.count)),
    },
  };
};
