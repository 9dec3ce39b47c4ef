import type { Row } from '../bench.ts';
import type { BenchReport } from '../run-bench.ts';
import { readMachine } from '../report/machine.ts';
import { quantileOf } from '../statistics.ts';
import { startSystem } from '../system.ts';
import { converse } from './conversations.ts';
import type { ConversationSize, Turn } from './conversations.ts';

export type PlacementSize = ConversationSize & {
  readonly workers: number;
  /** prompt tokens that one worker's engine keeps in its cache */
  readonly cacheTokens: number;
  readonly repetitions: number;
};

/** All conversations fit into the caches of all workers, but not into each worker's. */
export const PLACEMENT_SIZE: PlacementSize = {
  workers: 4,
  sessions: 24,
  turns: 6,
  inputChars: 2_000,
  answerTokens: 40,
  cacheTokens: 40_000,
  repetitions: 2,
};

/**
 * To see that everything works. The workers must not divide the sessions: prompts that come in step and go round in
 * turn would find the same worker again without any placement.
 */
export const PLACEMENT_SMOKE_SIZE: PlacementSize = {
  ...PLACEMENT_SIZE,
  workers: 3,
  sessions: 8,
  turns: 3,
  repetitions: 1,
};

/** Slow, and answers short, so that the engine is waited for and not this machine. */
const PREFILL_TOKENS_PER_SECOND = 1_500;

export type PlacementReport = Pick<BenchReport, 'machine' | 'seconds' | 'rows'>;

type Figures = {
  readonly hitRate: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly prompts: number;
};

/**
 * The same conversations on workers with a simulated KV cache each, once with every session placed with
 * one worker and once with prompts going to any; in turns, each on a system of its own.
 */
export const runPlacement = async (
  size: PlacementSize,
  say: (text: string) => void,
): Promise<PlacementReport> => {
  const machine = readMachine();
  const startedAt = performance.now();
  const turns = { on: [] as Turn[], off: [] as Turn[] };
  for (let repetition = 1; repetition <= size.repetitions; repetition += 1) {
    for (const placement of ['on', 'off'] as const) {
      say(`placement ${placement}, repetition ${repetition} of ${size.repetitions}`);
      turns[placement].push(...(await runOnce(placement, size)));
    }
  }
  const rows = rowsOf(size, figuresOf(turns.on), figuresOf(turns.off));
  return { machine, seconds: Math.round((performance.now() - startedAt) / 1000), rows };
};

const runOnce = async (placement: 'on' | 'off', size: PlacementSize): Promise<readonly Turn[]> => {
  const system = await startSystem({
    workers: size.workers,
    env: {
      SLUICE_PLACEMENT: placement,
      SLUICE_SIMULATED_PREFILL_TOKENS_PER_SECOND: `${PREFILL_TOKENS_PER_SECOND}`,
      SLUICE_SIMULATED_CACHE_TOKENS: `${size.cacheTokens}`,
      SLUICE_SIMULATED_TTFT_MS: '20',
      SLUICE_SIMULATED_TOKENS_PER_SECOND: '100',
    },
  });
  try {
    return await converse((await system.addEdge()).target, size);
  } finally {
    await system.close();
  }
};

const figuresOf = (turns: readonly Turn[]): Figures => {
  const sum = (value: (turn: Turn) => number): number =>
    turns.reduce((total, turn) => total + value(turn), 0);
  const times = turns.map(({ firstTokenMs }) => firstTokenMs);
  return {
    hitRate: sum(({ cachedTokens }) => cachedTokens) / sum(({ promptTokens }) => promptTokens),
    p50Ms: quantileOf(times, 0.5),
    p95Ms: quantileOf(times, 0.95),
    prompts: turns.length,
  };
};

const rowsOf = (size: PlacementSize, on: Figures, off: Figures): Row[] => {
  const { workers, sessions, turns } = size;
  const percent = ({ hitRate }: Figures): string => `${Math.round(hitRate * 100)} %`;
  const setting = `${sessions} conversations of ${turns} prompts on ${workers} workers, placement on against off`;
  const time = (id: string, name: string, figure: 'p50Ms' | 'p95Ms'): Row => ({
    id,
    what: `time to first token at the client, ${name}; the same run`,
    target: 'less',
    value: `${on[figure].toFixed(0)} ms, off ${off[figure].toFixed(0)} ms`,
    ok: on[figure] < off[figure],
    figures: { on: on[figure], off: off[figure] },
  });
  return [
    {
      id: 'K1',
      what: `prompt tokens found in the worker's KV cache: ${setting}`,
      target: 'more',
      value: `${percent(on)}, off ${percent(off)}`,
      ok: on.hitRate > off.hitRate,
      figures: { on: on.hitRate, off: off.hitRate, prompts: on.prompts },
    },
    time('K2', 'median', 'p50Ms'),
    time('K3', '95th percentile', 'p95Ms'),
  ];
};
