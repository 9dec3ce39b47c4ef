import type { Bench, BenchSize, Measure, Row } from '../bench.ts';
import type { Verification } from '../clients/crowd.ts';
import { medianOf, medianRatio } from '../statistics.ts';
import { SessionSides, TOKENS_PER_SECOND } from './session-sides.ts';
import type { LiveWindow, Window } from './session-sides.ts';

const MAX_RATIO = 1.1;
const MAX_P50_MS = 2.5;
const MAX_P99_MS = 15;
/** More tokens to a frame than this: the figure is cheap because the machine was overloaded. */
const BEHIND = 1.5;
/** Below this share of the wanted rate the machine could not keep up, and latencies say nothing. */
const MIN_RATE_SHARE = 0.95;

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
  name: 'many sessions',
  ids: ['P2', 'P3'],
  run: async (bench) => {
    const { system, size, say } = bench;
    say(`P2 and P3, opening ${size.sessions} sessions at the edge and at the relay`);
    const sides = new SessionSides(bench, await system.addEdge());
    try {
      await sides.open();
      for (let turn = 0; turn < size.warmUps; turn += 1) await repeat(sides);
      const repetitions = await repeatAll(bench, sides);
      return {
        rows: [costRow(size, repetitions), latencyRow(size, repetitions), firstTokenRow(repetitions)],
        verifications: repetitions.flatMap(({ verifications }) => verifications),
      };
    } finally {
      await sides.close();
    }
  },
};

const repeatAll = async ({ size, say }: Bench, sides: SessionSides): Promise<readonly Repetition[]> => {
  const repetitions: Repetition[] = [];
  for (let count = 1; count <= size.repetitions; count += 1) {
    say(`P2 and P3, ${size.sessions} sessions, repetition ${count} of ${size.repetitions}`);
    repetitions.push(await repeat(sides));
  }
  return repetitions;
};

const repeat = async (sides: SessionSides): Promise<Repetition> => {
  const live = await sides.live();
  const relay = await sides.relay();
  return {
    live: live.window,
    relay: relay.window,
    verifications: [...live.verifications, ...relay.verifications],
  };
};

const costRow = ({ sessions: count }: BenchSize, repetitions: readonly Repetition[]): Row => {
  const edgeUs = repetitions.map(({ live }) => live.usPerToken);
  const relayUs = repetitions.map(({ relay }) => relay.usPerToken);
  const ratio = medianRatio(edgeUs, relayUs);
  // Above 1 the machine was behind, and tokens shared frames that on a faster one they would not.
  const tokensPerFrame = medianOf(repetitions.map(({ live }) => live.received.tokens / live.received.frames));
  return {
    id: 'P2',
    what: `${count} sessions x ${TOKENS_PER_SECOND} tokens/s, acks included: edge CPU per token against a bare ws.send relay`,
    target: `<= ${MAX_RATIO} x`,
    value: `${ratio.toFixed(2)} x${tokensPerFrame > BEHIND ? `, ${tokensPerFrame.toFixed(1)} a frame` : ''}`,
    ok: ratio <= MAX_RATIO && tokensPerFrame <= BEHIND,
    figures: {
      ratio,
      edgeUsPerToken: medianOf(edgeUs),
      relayUsPerToken: medianOf(relayUs),
      workerUsPerToken: medianOf(repetitions.map(({ live }) => live.workerUsPerToken)),
      natsUsPerToken: medianOf(repetitions.map(({ live }) => live.natsUsPerToken)),
      begunMs: medianOf(repetitions.map(({ live }) => live.begunMs)),
      tokensPerFrame,
    },
  };
};

const latencyRow = ({ sessions: count, windowMs }: BenchSize, repetitions: readonly Repetition[]): Row => {
  const p50 = medianOf(repetitions.map(({ live }) => live.received.latency.p50));
  const p99 = medianOf(repetitions.map(({ live }) => live.received.latency.p99));
  const rate = medianOf(repetitions.map(({ live }) => (live.received.tokens * 1000) / windowMs));
  const wanted = count * TOKENS_PER_SECOND;
  return {
    id: 'P3',
    what: `latency worker -> client at ${wanted} tokens/s, p50 and p99`,
    target: `<= ${MAX_P50_MS}, ${MAX_P99_MS} ms`,
    value: `${p50.toFixed(1)}, ${p99.toFixed(1)} ms`,
    ok: p50 <= MAX_P50_MS && p99 <= MAX_P99_MS && rate >= wanted * MIN_RATE_SHARE,
    figures: {
      p50Ms: p50,
      p99Ms: p99,
      tokensPerSecond: rate,
      relayP50Ms: medianOf(repetitions.map(({ relay }) => relay.received.latency.p50)),
      relayP99Ms: medianOf(repetitions.map(({ relay }) => relay.received.latency.p99)),
    },
  };
};

const firstTokenRow = (repetitions: readonly Repetition[]): Row => {
  const first = repetitions.map(({ live }) => live.firstLatency);
  const p50 = medianOf(first.map((latency) => latency.p50));
  const p99 = medianOf(first.map((latency) => latency.p99));
  return {
    id: 'P3',
    what: 'the same of first tokens, of generations that begin meanwhile',
    target: `<= ${MAX_P50_MS}, ${MAX_P99_MS} ms`,
    value: `${p50.toFixed(1)}, ${p99.toFixed(1)} ms`,
    ok: p50 <= MAX_P50_MS && p99 <= MAX_P99_MS,
    figures: { p50Ms: p50, p99Ms: p99, countPerRepetition: medianOf(first.map(({ count }) => count)) },
  };
};
