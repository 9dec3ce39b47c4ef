import { mix, unit } from './fixed-numbers.ts';
import type { SimulatedSettings } from './settings.ts';

/** Keeps the draws for timing apart from those for text. */
const TIMING_SALT = 0x7131;

/**
 * When each token of a run is due, in ms since the run's start. `index` counts the run's own tokens from 0;
 * `prefix` is how many tokens came before the run. Never decreases with `index`.
 */
export const dueAfterMs = (settings: SimulatedSettings, prefix: number, index: number): number => {
  const { ttftMs, tokensPerSecond, burst, jitter, stallAtToken, stallMs } = settings;
  const stalled = stallAtToken !== undefined && stallAtToken > prefix && prefix + index + 1 >= stallAtToken;
  const stall = stalled ? stallMs : 0;
  if (tokensPerSecond === 0) return ttftMs + stall;
  const group = Math.floor(index / burst);
  // A token is late by less than one interval, so due times keep their order and lateness never adds up.
  const late = group === 0 || jitter === 0 ? 0 : jitter * unit(mix(settings.seed, TIMING_SALT), group);
  return ttftMs + stall + ((group + late) * burst * 1000) / tokensPerSecond;
};
