import type { Bench, Measure, Row } from '../bench.ts';
import { runStep, TOKENS_PER_SECOND } from './session-load.ts';
import type { Step } from './session-load.ts';

const MAX_P99_MS = 50;
const MIN_RATE_SHARE = 0.95;
/** How far beyond the knee the ladder is climbed. */
const STEPS_BEYOND = 2;
/** 1.6 x what two cores did before. */
const MIN_KNEE = 16_000;
const MIN_SHARE_OF_PEAK = 0.9;
/** Latency wanted at a share of the knee, ms. */
const LATENCY_TARGETS = [
  { share: 0.25, p50: 5, p99: 25 },
  { share: 0.5, p50: 8, p99: 40 },
  { share: 0.75, p50: 15, p99: 80 },
] as const;

type LatencyTarget = (typeof LATENCY_TARGETS)[number];

/** P4: the most tokens/s at which the whole system keeps up, and P3: how late tokens are below it. */
export const knee: Measure = {
  name: 'knee',
  ids: ['P3', 'P4'],
  run: async (bench) => {
    const edge = await bench.system.addEdge();
    const step = (sessions: number): Promise<Step> => {
      bench.say(`P3 and P4, ${sessions} sessions x ${TOKENS_PER_SECOND} tokens/s`);
      return runStep(bench, edge, sessions);
    };
    try {
      for (let turn = 0; turn < bench.size.warmUps; turn += 1) await step(bench.size.sessions * 0.1);
      const ladder = await climb(bench, step);
      const top = kneeOf(ladder);
      const below: Step[] = [];
      const rows: Row[] = [];
      for (const target of LATENCY_TARGETS) {
        const measured = await step(Math.max(2, Math.round(top.sessions * target.share)));
        below.push(measured);
        rows.push(latencyRow(target, measured));
      }
      const verifications = [...ladder, ...below].flatMap((each) => each.verifications);
      return { rows: [...rows, kneeRow(top), beyondRow(ladder)], verifications };
    } finally {
      await edge.close();
    }
  },
};

/** Whether the system kept up with this load. */
const holds = ({ latency, tokensPerSecond, wantedPerSecond }: Step): boolean =>
  latency.p99 <= MAX_P99_MS && tokensPerSecond >= wantedPerSecond * MIN_RATE_SHARE;

const climb = async (
  { size }: Bench,
  step: (sessions: number) => Promise<Step>,
): Promise<readonly Step[]> => {
  const ladder: Step[] = [];
  let beyond = 0;
  for (const share of size.ladder) {
    const measured = await step(Math.round(size.sessions * share));
    ladder.push(measured);
    // One bad step may be a hiccup of the machine: only those in a row end the climb.
    beyond = holds(measured) ? 0 : beyond + 1;
    if (beyond === STEPS_BEYOND) break;
  }
  return ladder;
};

/** The last step that the system kept up with; the first one if none. */
const kneeOf = (ladder: readonly Step[]): Step => {
  const top = ladder.findLast(holds) ?? ladder[0];
  if (top === undefined) throw new RangeError('knee: expected at least one step');
  return top;
};

const figuresOf = ({ latency, first, tokensPerSecond, tokensPerFrame, us, sessions }: Step) => ({
  ...{ sessions, tokensPerSecond, tokensPerFrame },
  ...{ p50Ms: latency.p50, p99Ms: latency.p99, firstP50Ms: first.p50, firstP99Ms: first.p99 },
  ...{ edgeUs: us.edge, workerUs: us.worker, natsUs: us.nats, clientsUs: us.clients },
});

const latencyRow = (target: LatencyTarget, step: Step): Row => ({
  id: 'P3',
  what: `latency from the engine's schedule to the client at ${target.share * 100} % of the knee, p50 and p99`,
  target: `<= ${target.p50}, ${target.p99} ms`,
  value: `${step.latency.p50.toFixed(1)}, ${step.latency.p99.toFixed(1)} ms`,
  ok: step.latency.p50 <= target.p50 && step.latency.p99 <= target.p99,
  figures: figuresOf(step),
});

const kneeRow = (top: Step): Row => ({
  id: 'P4',
  what: `whole system: most tokens/s with p99 <= ${MAX_P99_MS} ms, at ${TOKENS_PER_SECOND} a session`,
  target: `>= ${MIN_KNEE} tokens/s`,
  value: `${Math.round(top.tokensPerSecond)} tokens/s${holds(top) ? '' : ', not held'}`,
  ok: holds(top) && top.tokensPerSecond >= MIN_KNEE,
  figures: figuresOf(top),
});

const beyondRow = (ladder: readonly Step[]): Row => {
  const rates = ladder.map(({ tokensPerSecond }) => tokensPerSecond);
  const last = rates.at(-1) ?? 0;
  const share = last / Math.max(...rates);
  return {
    id: 'P4',
    what: `throughput at the ladder's end, beyond the knee, against its peak`,
    target: `>= ${MIN_SHARE_OF_PEAK} x`,
    value: `${share.toFixed(2)} x`,
    ok: share >= MIN_SHARE_OF_PEAK,
    // The whole curve: tokens/s wanted, and what came of it.
    figures: Object.fromEntries(
      ladder.flatMap((step) => [
        [`rateAt${step.wantedPerSecond}`, step.tokensPerSecond],
        [`p99At${step.wantedPerSecond}`, step.latency.p99],
      ]),
    ),
  };
};
