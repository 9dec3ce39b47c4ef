import type { Bus, Subscription, WorkerBeat } from '@sluice/bus';
import type { GenerationKey } from '@sluice/protocol';
import { Watch } from './watch.ts';

export type HeardBeat = { readonly beat: WorkerBeat; readonly at: number };

/** Beats are kept for this long, ms. */
const KEPT_MS = 60_000;

const isRegular = ({ beat }: HeardBeat): boolean => beat.isExtra !== true;

/** The workers' beats of the last minute, with the time (of `performance.now`) at which they came. */
export class BeatRecord {
  readonly #watch = new Watch();
  #heard: HeardBeat[] = [];
  #subscription: Subscription | undefined;

  async open(bus: Bus): Promise<void> {
    this.#subscription = await bus.workers.onBeat((beat) => {
      const at = performance.now();
      this.#heard = [...this.#heard.filter((old) => at - old.at < KEPT_MS), { beat, at }];
      this.#watch.changed();
    });
  }

  close(): void {
    this.#subscription?.close();
  }

  /** Of one worker, since then; oldest first. */
  of(worker: string, since: number): readonly HeardBeat[] {
    return this.#heard.filter(({ beat, at }) => beat.worker === worker && at >= since);
  }

  /** How many of those came in their rhythm: a worker's own clock. */
  countOf(worker: string, since: number): number {
    return this.of(worker, since).filter(isRegular).length;
  }

  /**
   * The attempt under which a worker's newest beat since then lists a generation; undefined: it does not. Those that
   * are extra only add to the regular one before them.
   */
  attemptIn(worker: string, key: GenerationKey, since: number): number | undefined {
    const heard = this.of(worker, since);
    const listed = heard
      .slice(Math.max(0, heard.findLastIndex(isRegular)))
      .flatMap(({ beat }) => beat.running);
    return listed.findLast(({ generation }) => generation === key.generation)?.attempt;
  }

  until<Found>(look: () => Found | false | undefined, timeoutMs: number): Promise<Found | undefined> {
    return this.#watch.until(look, timeoutMs);
  }
}
