import { hasAdvanced, isSuspect } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';

/** Whoever has run for so long without killing its worker makes room for the next, ms. */
const PROVEN_AFTER_MS = 10_000;

type Suspect = { readonly item: StoredGeneration; readonly since: number };

/**
 * Runs that may be what kills workers, one at a time: a prompt that does would take the others with it again, and
 * they would be taken for its like. The next one is let in when the last has got further, has ended, or lives on.
 */
export class Quarantine<Run> {
  readonly #suspects = new Map<Run, Suspect>();
  readonly #storedOf: (run: Run) => number | undefined;

  /** @param storedOf seq of a run's newest stored token; undefined while it has not begun */
  constructor(storedOf: (run: Run) => number | undefined) {
    this.#storedOf = storedOf;
  }

  /** Whether a run may begin now; if so it counts until it is told to leave. Asking again changes nothing. */
  admits(run: Run, item: StoredGeneration, now: number): boolean {
    if (!isSuspect(item) || this.#suspects.has(run)) return true;
    if ([...this.#suspects].some(([other, suspect]) => !this.#isProven(other, suspect, now))) return false;
    this.#suspects.set(run, { item, since: now });
    return true;
  }

  leave(run: Run): void {
    this.#suspects.delete(run);
  }

  #isProven(run: Run, { item, since }: Suspect, now: number): boolean {
    return now - since >= PROVEN_AFTER_MS || hasAdvanced(item, this.#storedOf(run) ?? 0);
  }
}
