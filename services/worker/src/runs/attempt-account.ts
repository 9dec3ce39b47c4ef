import type { RunPhase, Usage } from '@sluice/protocol';
import type { Clock, Tracing } from '@sluice/runtime';
import type { Claimed } from '@sluice/lifecycle';
import { cachedTokensOf } from '@sluice/core';
import type { Engine, EngineRequest } from '@sluice/core';
import { AttemptSpans } from './attempt-spans.ts';
import type { AttemptName, WorkerStats } from '../tally/worker-stats.ts';
import type { OrgTally, WorkerTally } from '../tally/worker-tally.ts';

/** Ends before the engine's own: whatever it would have made is saved. */
export const STOPPED: ReadonlySet<string> = new Set(['cancelled', 'abandoned']);

export type AttemptAccountDeps = {
  readonly claimed: Claimed;
  readonly request: EngineRequest;
  readonly engine: Pick<Engine, 'expectedTokens' | 'name'>;
  readonly worker: string;
  readonly tracing: Tracing;
  readonly tally: WorkerTally;
  readonly stats: WorkerStats;
  readonly clock: Clock;
};

/** One attempt: what it adds to its worker's tally, and what the dashboard is told of it. */
export class AttemptAccount {
  readonly #deps: AttemptAccountDeps;
  readonly #orgTally: OrgTally;
  readonly #attempt: AttemptName;
  readonly #startedAt: number;
  readonly #spans: AttemptSpans;
  #made = 0;

  /** @param seq tokens that were stored before */
  constructor(deps: AttemptAccountDeps, seq: number) {
    const { claimed, tally, stats, clock } = deps;
    const { key, item, entry } = claimed;
    this.#deps = deps;
    this.#startedAt = clock.now();
    this.#spans = new AttemptSpans(claimed, { ...deps, provider: deps.engine.name });
    this.#orgTally = tally.orgs.of(key.org);
    const { attempt, model } = item;
    this.#attempt = stats.begin({ ...key, attempt, model, createdAt: entry.createdAt }, seq);
    tally.queueWait.add(this.#startedAt - entry.createdAt);
  }

  /** The engine is asked. @returns the `traceparent` for its server */
  ask(): string | undefined {
    return this.#spans.ask();
  }

  /** One more token was taken from the engine. @param seq its number */
  token(seq: number): void {
    if (this.#made === 0) this.#onFirstToken(seq);
    this.#made += 1;
    this.#orgTally.tokens += 1;
  }

  mark(phase: RunPhase, seq: number): void {
    this.#deps.stats.mark(this.#attempt, phase, seq);
  }

  /** Counts what the engine had in its KV cache of the prompt, and what not; nothing where it does not say. */
  usage(usage: Usage | undefined): void {
    this.#spans.answered(usage);
    const total = usage?.prompt_tokens;
    const cached = cachedTokensOf(usage);
    if (total === undefined || cached === undefined || !(cached >= 0 && cached <= total)) return;
    const { promptTokens } = this.#deps.tally;
    promptTokens.add('hit', cached);
    promptTokens.add('miss', total - cached);
  }

  /** How it went. @param seq tokens of the text by now @param error its code, where it failed */
  over(outcome: string, seq: number, error?: string): void {
    this.#spans.over(outcome, seq, error);
    const { claimed, stats } = this.#deps;
    const isStopped = STOPPED.has(outcome);
    const saved = isStopped || outcome === 'parked' ? this.savedTokens(seq) : 0;
    if (outcome === 'stop' || outcome === 'length') stats.lengths.ended(claimed.item.model, seq);
    this.#orgTally.outcomes.add(outcome);
    if (isStopped) this.#orgTally.savedByStop += saved;
    stats.over(this.#attempt, outcome, { seq, saved });
  }

  /** However it went. @param heldMs how long nobody wanted more */
  close(heldMs: number): void {
    const { tally, clock } = this.#deps;
    this.#spans.over('lost', this.#made);
    tally.heldMs += heldMs;
    const ranMs = clock.now() - this.#startedAt - heldMs;
    if (this.#made > 1 && ranMs > 0) tally.timePerToken.add(ranMs / this.#made);
  }

  #onFirstToken(seq: number): void {
    const { claimed, tally, clock } = this.#deps;
    const now = clock.now();
    tally.claimToToken.add(now - this.#startedAt);
    // A later attempt goes on with an answer whose first token was seen long ago.
    if (claimed.item.attempt === 1) this.#orgTally.promptToToken.add(now - claimed.entry.createdAt);
    this.#spans.firstToken();
    this.mark('first_token', seq);
  }

  /** Tokens it would still have made, as far as anybody can tell. @param seq tokens of the text by now */
  savedTokens(seq: number): number {
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
