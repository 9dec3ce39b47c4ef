import type { RunPhase } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import type { Claimed } from './claim.ts';
import type { Engine, EngineRequest } from './engines/engine.ts';
import type { WorkerMetrics } from './metrics.ts';
import type { RunStory } from './run-story.ts';
import type { WorkerStats } from './worker-stats.ts';

export type RunAccountDeps = {
  readonly claimed: Claimed;
  readonly request: EngineRequest;
  readonly engine: Pick<Engine, 'expectedTokens'>;
  readonly stats: WorkerStats;
  readonly metrics: WorkerMetrics;
  readonly clock: Clock;
};

/** What one attempt adds to its worker's figures: to the metrics, and to what the stats tell of it. */
export class RunAccount {
  readonly #deps: RunAccountDeps;
  readonly #story: RunStory;
  readonly #startedAt: number;
  #made = 0;

  /** @param seq tokens that were stored before */
  constructor(deps: RunAccountDeps, seq: number) {
    this.#deps = deps;
    this.#startedAt = deps.clock.now();
    this.#story = deps.stats.story(deps.claimed, seq);
  }

  /** One more token was taken from the engine. @param seq its number */
  token(seq: number): void {
    const { metrics, clock } = this.#deps;
    if (this.#made === 0) {
      metrics.firstToken.observe((clock.now() - this.#startedAt) / 1000);
      this.#story.firstToken(seq);
    }
    this.#made += 1;
    metrics.tokens.add(1);
    this.#story.token();
  }

  mark(phase: RunPhase, seq: number): void {
    this.#story.mark(phase, seq);
  }

  /** How it went. @param seq tokens of the text by now */
  over(outcome: string, seq: number): void {
    const { claimed, stats, metrics } = this.#deps;
    const isStopped = outcome === 'cancelled' || outcome === 'abandoned';
    const saved = isStopped || outcome === 'parked' ? this.#tokensToCome(seq) : 0;
    if (outcome === 'stop' || outcome === 'length') stats.lengths.ended(claimed.item.model, seq);
    if (outcome === 'parked') stats.parked(claimed, saved);
    if (isStopped) metrics.saved.inc(saved);
    this.#story.over(outcome, seq, saved);
  }

  /** However it went. @param heldMs how long nobody wanted more */
  close(heldMs: number): void {
    const { metrics, clock } = this.#deps;
    metrics.paused.inc(heldMs / 1000);
    const ranMs = clock.now() - this.#startedAt - heldMs;
    if (this.#made > 1 && ranMs > 0) metrics.timePerToken.observe(ranMs / 1000 / this.#made);
  }

  /** Tokens it would still have made, as far as anybody can tell. */
  #tokensToCome(seq: number): number {
    const { engine, stats, request } = this.#deps;
    const known = engine.expectedTokens?.(request);
    const limit = request.params.max_tokens;
    const expected = stats.lengths.expected(request.model, {
      ...(known === undefined ? {} : { engine: known }),
      ...(limit === undefined ? {} : { limit }),
    });
    return Math.max(0, (expected ?? 0) - seq);
  }
}
