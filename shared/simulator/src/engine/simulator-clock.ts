/** Time as the simulated engine sees it. Tests bring their own. */
export interface SimulatorClock {
  /** ms from any fixed origin, with fractions; never goes back */
  now(): number;
  /** Calls once, not earlier than after `ms`. Returns what cancels it. */
  setTimer(callback: () => void, ms: number): () => void;
}

export const simulatorClock: SimulatorClock = {
  now: () => performance.now(),
  setTimer: (callback, ms) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
