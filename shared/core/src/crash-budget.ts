import type { End } from '@sluice/protocol';

/**
 * What a generation's item remembers of the workers that died while they ran it. A prompt that kills its worker does
 * so at the same token again; a run that only shared a worker with it gets further each time.
 */
export type CrashCount = {
  /** attempts in a row that died with their worker and got no further than the first of them; absent: none */
  readonly crashes?: number;
  /** seq of the log when the first of that row died; absent: 0 */
  readonly crashSeq?: number;
  /** all attempts that died with their worker; absent: as many as `crashes` */
  readonly allCrashes?: number;
};

/** So many in a row, and it is taken for what kills workers. */
const MAX_CRASHES = 3;
/** Of attempts that get further each time as well: a run that is not to blame does not meet so many deaths. */
const MAX_ALL_CRASHES = 10;
/**
 * Fewer tokens than this are no progress. A worker that dies at token n has stored a few less than n, and the next
 * attempt gets closer without getting past it. Small, so that a slow run has its chance between two deaths.
 */
const PROGRESS_TOKENS = 8;

/**
 * Whether a log that has reached `seq` is further than at the crash that the count began with. A text that started
 * again from zero is so only once it is longer than any before.
 */
export const hasAdvanced = ({ crashes = 0, crashSeq = 0 }: CrashCount, seq: number): boolean =>
  crashes === 0 || seq >= crashSeq + PROGRESS_TOKENS;

/** The count after one more crash. @param seq of the log's newest token then, in whatever epoch */
export const countCrash = (before: CrashCount, seq: number): Required<CrashCount> => {
  const { crashes = 0, crashSeq = 0 } = before;
  const allCrashes = allOf(before) + 1;
  return hasAdvanced(before, seq)
    ? { crashes: 1, crashSeq: seq, allCrashes }
    : { crashes: crashes + 1, crashSeq, allCrashes };
};

/** The count after a worker died that had not begun: hardly the generation's fault, and yet not for ever. */
export const countSpent = (before: CrashCount): CrashCount => ({ allCrashes: allOf(before) + 1 });

/** Whether the next such crash is its last: it may be what kills workers, and should meet no other such run. */
export const isSuspect = ({ crashes = 0 }: CrashCount): boolean => crashes >= MAX_CRASHES - 1;

/** How a generation ends that has cost enough workers; undefined: it goes on. */
export const poisonEnd = (count: CrashCount): End | undefined => {
  const { crashes = 0 } = count;
  if (crashes >= MAX_CRASHES) return crashed(`${crashes} workers in a row died while they ran this`);
  const all = allOf(count);
  return all >= MAX_ALL_CRASHES ? crashed(`${all} workers died while they ran this`) : undefined;
};

// A worker that knows only `crashes` counts on in it alone.
const allOf = ({ crashes = 0, allCrashes = 0 }: CrashCount): number => Math.max(crashes, allCrashes);

const crashed = (message: string): End => ({ reason: 'error', error: { code: 'worker_crashed', message } });
