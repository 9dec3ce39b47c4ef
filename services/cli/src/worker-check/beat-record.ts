import type { Bus, Subscription, WorkerBeat } from '@sluice/bus';
import type { GenerationKey } from '@sluice/protocol';
import { Watch } from './watch.ts';

export type HeardBeat = { readonly beat: WorkerBeat; readonly at: number };

/** Beats are kept for this long, ms. */
const KEPT_MS = 60_000;

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

  /** The attempt under which a worker's newest beat since then lists a generation; undefined: it does not. */
  attemptIn(worker: string, key: GenerationKey, since: number): number | undefined {
    const newest = this.of(worker, since).at(-1);
    return newest?.beat.running.find(({ generation }) => generation === key.generation)?.attempt;
  }

  until<Found>(look: () => Found | false | undefined, timeoutMs: number): Promise<Found | undefined> {
    return this.#watch.until(look, timeoutMs);
  }
}
