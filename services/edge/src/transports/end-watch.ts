import type { Item } from '@sluice/protocol';
import type { Clock, Timer } from '@sluice/runtime';
import type { Frame } from '../feeds/frames.ts';
import type { FrameSink } from '../feeds/viewer.ts';

/** A worker ends the log first and the item a moment later: how often the item is looked at then, ms. */
export const SETTLING_MS = 50;

export type EndWatchOptions = {
  readonly clock: Clock;
  /** any of them ends the watch */
  readonly until: readonly AbortSignal[];
  /** and so does this time, ms; default as long as it takes */
  readonly mostMs?: number | undefined;
  /** and this, which is asked twice a second */
  readonly isRefused: () => boolean;
};

const ASK_MS = 500;

/**
 * A sink that reads along, and tells when it is worth looking at the item again. It listens to each signal by itself:
 * what `AbortSignal.any` makes stays reachable from its sources, and one of them lives as long as the edge.
 */
export class EndWatch implements FrameSink {
  readonly writable = true;
  readonly #clock: Clock;
  readonly #until: readonly AbortSignal[];
  readonly #deadline: Timer;
  readonly #isRefused: () => boolean;
  #asking: Timer;
  #isTimeUp = false;
  #hasEnded = false;
  #isNews = false;
  #wake: (() => void) | undefined;

  constructor({ clock, until, mostMs, isRefused }: EndWatchOptions) {
    this.#clock = clock;
    this.#until = until;
    this.#isRefused = isRefused;
    this.#ask();
    for (const signal of until) signal.addEventListener('abort', this.#tell);
    if (mostMs !== undefined) this.#deadline = clock.setTimeout(() => this.#onTimeUp(), mostMs);
  }

  get isOver(): boolean {
    return this.#isTimeUp || this.#isRefused() || this.#until.some(({ aborted }) => aborted);
  }

  send({ content }: Frame, onTaken?: () => void): void {
    onTaken?.();
    // It is served no more, so nothing else would end the wait.
    if (content.type === 'error') this.#onTimeUp();
    if (content.type === 'end') this.#hasEnded = true;
    if (content.type === 'end' || (content.type === 'item' && isDone(content.item))) this.#tell();
  }

  /** Resolves when the item may be done, or the watch is over. */
  async news(): Promise<void> {
    let timer: Timer;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#hasEnded) timer = this.#clock.setTimeout(resolve, SETTLING_MS);
      if (this.#isNews || this.isOver) resolve();
    });
    this.#clock.clearTimeout(timer);
    this.#isNews = false;
  }

  close(): void {
    for (const signal of this.#until) signal.removeEventListener('abort', this.#tell);
    this.#clock.clearTimeout(this.#deadline);
    this.#clock.clearTimeout(this.#asking);
  }

  #ask(): void {
    if (this.#isRefused()) return this.#tell();
    this.#asking = this.#clock.setTimeout(() => this.#ask(), ASK_MS);
  }

  #onTimeUp(): void {
    this.#isTimeUp = true;
    this.#tell();
  }

  readonly #tell = (): void => {
    this.#isNews = true;
    this.#wake?.();
  };
}

const isDone = (item: Item): boolean => item.kind === 'generation' && item.status === 'done';
