import { namesOf, pause, startClient } from '../bench.ts';
import type { Bench } from '../bench.ts';
import type { LatencySummary } from '../clients/open-loop.ts';
import type { Verification } from '../clients/crowd.ts';
import { cpuDuring } from '../process-usage.ts';
import type { EdgeProcess } from '../system.ts';

export const TOKENS_PER_SECOND = 20;
const CLIENT_PROCESSES = 2;
/** Prompts are spread over this long, so that the sessions are out of step, ms. */
const PROMPTING_MS = 1_500;
const SETTLE_MS = 1_000;
/** Generations are cancelled after the window; a machine too slow to get that far finds them ended. */
const MAX_GENERATION_MS = 20_000;

/** What so many sessions at once came to. */
export type Step = {
  readonly sessions: number;
  readonly tokensPerSecond: number;
  /** what the engine yields if nothing holds it up */
  readonly wantedPerSecond: number;
  /** the worst of the client processes */
  readonly latency: LatencySummary;
  readonly first: LatencySummary;
  readonly tokensPerFrame: number;
  /** CPU microseconds a token, by process */
  readonly us: Readonly<Record<'edge' | 'worker' | 'nats' | 'clients', number>>;
  readonly verifications: readonly Verification[];
};

const worse = (a: LatencySummary, b: LatencySummary): LatencySummary => ({
  count: a.count + b.count,
  p50: Math.max(a.p50, b.p50),
  p99: Math.max(a.p99, b.p99),
});

/** Sessions that stream from engine to client, at a fixed rate each that no slowness of ours holds up. */
export const runStep = async (
  { system, size }: Bench,
  edge: EdgeProcess,
  sessions: number,
): Promise<Step> => {
  const clients = Array.from({ length: CLIENT_PROCESSES }, startClient);
  const share = Math.ceil(sessions / CLIENT_PROCESSES);
  const total = share * CLIENT_PROCESSES;
  const tokens = (TOKENS_PER_SECOND * MAX_GENERATION_MS) / 1000;
  const rate = { tokens, tokensPerSecond: TOKENS_PER_SECOND, ttftMs: 200, jitter: 0, burst: 1 };
  const prompt = {
    count: share,
    overMs: PROMPTING_MS,
    body: { params: { simulated: { source: 'ngram', ...rate } } },
  };
  try {
    await Promise.all(
      clients.map(async (client, index) => {
        await client.call('open', {
          target: edge.target,
          sessions: namesOf(`load-${total}-${index}`, share),
        });
        await client.call('subscribe', null);
        await client.call('schedule', 1000 / TOKENS_PER_SECOND);
        await client.call('begin', null);
      }),
    );
    await Promise.all(clients.map((client) => client.call('prompt', prompt)));
    await Promise.all(clients.map((client) => client.call('started', share)));
    await pause(SETTLE_MS);
    await Promise.all(clients.map((client) => client.call('mark', null)));
    const pids = [edge.pid, system.workerPid, system.natsPid, ...clients.map(({ pid }) => pid)];
    const startedAt = performance.now();
    const { cpuMs, result: received } = await cpuDuring(pids, async () => {
      await pause(size.windowMs);
      return Promise.all(clients.map((client) => client.call('read', null)));
    });
    const seconds = (performance.now() - startedAt) / 1000;
    await Promise.all(clients.map((client) => client.call('cancel', null)));
    await Promise.all(clients.map((client) => client.call('ended', share)));
    const verifications = await Promise.all(clients.map((client) => client.call('verify', null)));
    const arrived = received.reduce((sum, each) => sum + each.tokens, 0);
    const frames = received.reduce((sum, each) => sum + each.frames, 0);
    const latencies = received.flatMap(({ latency }) => (latency === undefined ? [] : [latency]));
    const [edgeUs = 0, worker = 0, nats = 0, ...others] = cpuMs.map((ms) => (ms * 1000) / arrived);
    return {
      sessions: total,
      tokensPerSecond: arrived / seconds,
      wantedPerSecond: total * TOKENS_PER_SECOND,
      latency: latencies.map(({ all }) => all).reduce(worse),
      first: latencies.map(({ first }) => first).reduce(worse),
      tokensPerFrame: arrived / frames,
      us: { edge: edgeUs, worker, nats, clients: others.reduce((sum, us) => sum + us, 0) },
      verifications,
    };
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
};
