import type { DeltaFrame } from '@sluice/protocol';
import { OpenLoop } from './open-loop.ts';
import type { OpenLoopLatency } from './open-loop.ts';

/** What all viewers of a process received between two looks. */
export type Received = {
  readonly frames: number;
  readonly tokens: number;
  /** where the engine's schedule is known */
  readonly latency?: OpenLoopLatency;
};

/** Counts what the viewers of this process receive. */
export class Tally {
  /** generations of which a first token, an end came, since `begin` */
  started = 0;
  ended = 0;
  #frames = 0;
  #tokens = 0;
  #openLoop: OpenLoop | undefined;

  /** From now on latencies are taken too. @param intervalMs between two tokens of a generation */
  schedule(intervalMs: number): void {
    this.#openLoop = new OpenLoop(intervalMs);
  }

  begin(): void {
    this.started = 0;
    this.ended = 0;
    this.#openLoop?.begin();
  }

  /** Starts a new window. */
  mark(): void {
    this.#frames = 0;
    this.#tokens = 0;
    this.#openLoop?.mark();
  }

  delta(frame: DeltaFrame): void {
    this.#frames += 1;
    this.#tokens += frame.seq - frame.from;
    this.#openLoop?.delta(frame, performance.timeOrigin + performance.now());
  }

  read(): Received {
    const counts = { frames: this.#frames, tokens: this.#tokens };
    return this.#openLoop === undefined ? counts : { ...counts, latency: this.#openLoop.read() };
  }
}
