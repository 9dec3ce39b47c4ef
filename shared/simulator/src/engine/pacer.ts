import type { SimulatorClock } from './simulator-clock.ts';
import { TickHeap } from './tick-heap.ts';

/** Width of the slots that due times are rounded up to. Runs due in the same slot share one wake-up. */
const DEFAULT_RESOLUTION_MS = 2;
/** A run that never has to wait lets the event loop turn this often, in tokens. */
const BREATHE_EVERY = 128;

/**
 * Wakes many runs at their due times from a single timer. 1,000 runs at 20 tokens/s are 500 wake-ups a
 * second at most, not 20,000. Due times are absolute: being late once delays nothing that follows.
 */
export class Pacer {
  readonly #clock: SimulatorClock;
  readonly #resolutionMs: number;
  readonly #slots = new Map<number, Set<() => void>>();
  readonly #ticks = new TickHeap();
  #waiting = 0;
  #armed: { readonly tick: number; readonly cancel: () => void } | undefined;

  constructor(clock: SimulatorClock, resolutionMs = DEFAULT_RESOLUTION_MS) {
    this.#clock = clock;
    this.#resolutionMs = resolutionMs;
  }

  /** A run's view of this pacer. Its owner closes it. */
  pace(signal: AbortSignal): Pace {
    return new Pace(this, this.#clock, signal);
  }

  /** Calls `wake` in the first slot that is not before `dueMs`. Returns what takes it back. */
  schedule(dueMs: number, wake: () => void): () => void {
    const tick = Math.ceil(dueMs / this.#resolutionMs);
    const slot = this.#slots.get(tick) ?? this.#openSlot(tick);
    slot.add(wake);
    this.#waiting += 1;
    this.#arm();
    return () => {
      if (!slot.delete(wake)) return;
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#rest();
    };
  }

  #openSlot(tick: number): Set<() => void> {
    const slot = new Set<() => void>();
    this.#slots.set(tick, slot);
    this.#ticks.push(tick);
    return slot;
  }

  /** Nobody waits: no timer may stay behind to keep the process alive. */
  #rest(): void {
    this.#armed?.cancel();
    this.#armed = undefined;
    this.#slots.clear();
    this.#ticks.clear();
  }

  #arm(): void {
    const tick = this.#ticks.smallest;
    if (tick === undefined || (this.#armed !== undefined && this.#armed.tick <= tick)) return;
    this.#armed?.cancel();
    const delayMs = Math.max(0, Math.ceil(tick * this.#resolutionMs - this.#clock.now()));
    this.#armed = { tick, cancel: this.#clock.setTimer(() => this.#fire(), delayMs) };
  }

  #fire(): void {
    this.#armed = undefined;
    // A timer may fire a fraction early; what is not due yet is simply armed again.
    const present = Math.floor(this.#clock.now() / this.#resolutionMs);
    for (
      let tick = this.#ticks.smallest;
      tick !== undefined && tick <= present;
      tick = this.#ticks.smallest
    ) {
      this.#ticks.pop();
      const slot = this.#slots.get(tick);
      this.#slots.delete(tick);
      for (const wake of slot ?? []) {
        slot?.delete(wake);
        this.#waiting -= 1;
        wake();
      }
    }
    if (this.#waiting === 0) this.#rest();
    else this.#arm();
  }
}

/** Waiting, as one run does it. One abort listener serves all of the run's waits. */
export class Pace {
  readonly #pacer: Pacer;
  readonly #clock: SimulatorClock;
  readonly #signal: AbortSignal;
  #wait: { readonly reject: (reason: unknown) => void; readonly takeBack: () => void } | undefined;
  #unpaced = 0;

  constructor(pacer: Pacer, clock: SimulatorClock, signal: AbortSignal) {
    this.#pacer = pacer;
    this.#clock = clock;
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort);
  }

  /** Resolves at `dueMs` of the clock or soon after. @throws the signal's reason as soon as it is aborted */
  async until(dueMs: number): Promise<void> {
    this.#signal.throwIfAborted();
    if (dueMs <= this.#clock.now()) return this.#breathe();
    await new Promise<void>((resolve, reject) => {
      this.#wait = { reject, takeBack: this.#pacer.schedule(dueMs, resolve) };
    });
    this.#wait = undefined;
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#wait?.takeBack();
    this.#wait = undefined;
  }

  readonly #onAbort = (): void => {
    this.#wait?.takeBack();
    this.#wait?.reject(this.#signal.reason);
    this.#wait = undefined;
  };

  /** Without this, a run at full speed would starve the very I/O that could abort it. */
  async #breathe(): Promise<void> {
    this.#unpaced += 1;
    if (this.#unpaced % BREATHE_EVERY !== 0) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#signal.throwIfAborted();
  }
}
