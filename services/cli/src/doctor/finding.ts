/** What one check came to. */
export type Finding = {
  readonly check: string;
  readonly result: 'ok' | 'fail' | 'skipped';
  readonly found: string;
  /** what to do, for a failure */
  readonly advice?: string;
};

export const ok = (check: string, found: string): Finding => ({ check, result: 'ok', found });

export const fail = (check: string, found: string, advice: string): Finding => ({
  check,
  result: 'fail',
  found,
  advice,
});

export const skipped = (check: string, found: string): Finding => ({ check, result: 'skipped', found });

export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, '; ');

/** At least `[20, 19]`? Missing fields count as 0. */
export const isAtLeast = (version: string, wanted: readonly number[]): boolean => {
  const have = version.replace(/^v/, '').split('.').map(Number);
  for (const [index, want] of wanted.entries()) {
    const got = have[index] ?? 0;
    if (got !== want) return got > want;
  }
  return true;
};
