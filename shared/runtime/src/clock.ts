/** What a timer is named by; opaque to everyone but the clock that made it. */
export type Timer = unknown;

/** Time as a dependency, so that tests can turn it by hand. */
export type Clock = {
  /** ms since the Unix epoch */
  now(): number;
  /** Calls `fn` once after `ms`; the timer does not keep the process alive. */
  setTimeout(fn: () => void, ms: number): Timer;
  /** Idempotent; an undefined or expired timer is ignored. */
  clearTimeout(timer: Timer): void;
};

export const systemClock: Clock = {
  now: () => Date.now(),
  // Sockets and servers keep a service alive; a forgotten timer must not keep it from exiting.
  setTimeout: (fn, ms) => setTimeout(fn, ms).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
};
