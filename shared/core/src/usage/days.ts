/* oxlint-disable no-restricted-globals -- the calendar, of times that are given: nothing here asks what time it is */
/** Days of the ledger, in UTC, as numbers since the Unix epoch: none can hold what does not belong into a subject. */
const DAY_MS = 86_400_000;
/** The last day whose name has four digits for its year. */
const LAST_DAY = Math.floor(Date.UTC(9999, 11, 31) / DAY_MS);

export const dayOf = (ms: number): number => Math.min(LAST_DAY, Math.max(0, Math.floor(ms / DAY_MS)));

/** As `2026-11-30`. */
export const nameOfDay = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

/** The inverse of {@link nameOfDay}; undefined: no day of the calendar. */
export const dayNamed = (name: string): number | undefined => {
  const ms = /^\d{4}-\d\d-\d\d$/.test(name) ? Date.parse(`${name}T00:00:00Z`) : NaN;
  // The parser takes February 30 for March 2.
  return ms >= 0 && nameOfDay(dayOf(ms)) === name ? dayOf(ms) : undefined;
};
