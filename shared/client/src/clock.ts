/** Time and chance as the SDK sees them, so that tests can hold both still. */
export interface Clock {
  /** ms, monotonic: a corrected wall clock must not look like a dead link */
  now(): number;
  /** uniform in [0, 1) */
  random(): number;
  /** Runs `task` once after `ms`, at once when that is past; the returned function cancels it. */
  after(ms: number, task: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  after: (ms, task) => {
    // A timer takes whole ms; one that fires early would find nothing due.
    const timer = setTimeout(task, Math.ceil(ms));
    return () => clearTimeout(timer);
  },
};
