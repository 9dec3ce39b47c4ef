/** Time and chance as the SDK sees them, so that tests can hold both still. */
export interface Clock {
  /** ms, monotonic: a corrected wall clock must not look like a dead link */
  now(): number;
  /** uniform in [0, 1) */
  random(): number;
  /** Runs `task` once after `ms`; the returned function cancels it. */
  after(ms: number, task: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  after: (ms, task) => {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
};
