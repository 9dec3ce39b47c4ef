import { MAX_PAGE_BYTES, MAX_PAGE_ITEMS } from '../session-store.ts';

/** A message of a stream that keeps one for each subject. */
export type Entry = { readonly sequence: number; readonly bytes: number };

/** In the order of the stream, cut once they exceed {@link MAX_PAGE_BYTES}; `left` is how many follow. */
export type Found<Each extends Entry> = { readonly entries: readonly Each[]; readonly left: number };

/** Reads entries from a sequence on, at most `most` of them. */
export type ReadFrom<Each extends Entry> = (from: number, most: number) => Promise<Found<Each>>;

/** Newest entry first. */
export type Page<Each extends Entry> = {
  readonly entries: readonly Each[];
  /** how many there are before these */
  readonly older: number;
};

/** From then on the search halves what is left: sequences may be spread as unevenly as they like. */
const MAX_GUESSES = 4;
/** Sizes differ, so a page is not filled to its brim. */
const FILL = 0.75;

/**
 * The entries of a stream from the newest back to the oldest, page by page. NATS reads forward only, and makes a search of
 * the whole stream of what was there up to a sequence. But with each message it says how many follow, so the begin of a
 * page is found with a few requests for a single message. What fits one page costs one request.
 * @param newest the sequence of the newest entry
 */
export async function* backward<Each extends Entry>(
  read: ReadFrom<Each>,
  newest: number,
): AsyncGenerator<Page<Each>> {
  const first = await read(1, MAX_PAGE_ITEMS);
  if (first.left === 0) {
    if (first.entries.length > 0) yield { entries: first.entries.toReversed(), older: 0 };
    return;
  }
  let row: Row = { total: countOf(first), newer: 0, end: newest + 1, most: fittingOf(first.entries) };
  // What is stored meanwhile belongs to the first page.
  for (let limit = Infinity; ;) {
    const { from, count } = await beginOf(read, row);
    const most = Math.min(row.most, Math.max(1, count - row.newer));
    const found = await read(from, most);
    if (found.left > 0 && found.entries.length < most) {
      row = { ...row, most: found.entries.length };
      continue;
    }
    const entries = found.entries.filter(({ sequence }) => sequence < limit).toReversed();
    if (entries.length > 0) yield { entries, older: from === 1 ? 0 : Math.max(0, row.total - count) };
    if (from === 1) return;
    row = { ...row, newer: count, end: from, most: fittingOf(entries) };
    limit = from;
  }
}

/** What is known of the entries that are yet to come. */
type Row = {
  /** entries of the whole stream */
  readonly total: number;
  /** those that had come */
  readonly newer: number;
  /** all others have lower sequences */
  readonly end: number;
  /** most entries of the next page */
  readonly most: number;
};

/** The sequence that the next page begins at, and how many entries there are from it on. */
const beginOf = async <Each extends Entry>(
  read: ReadFrom<Each>,
  { total, newer, end, most }: Row,
): Promise<{ readonly from: number; readonly count: number }> => {
  let [low, high, inside] = [1, end, total - newer];
  let from = inside <= most ? 1 : guess(low, high, (most * FILL) / inside);
  for (let guesses = 1; ; guesses += 1) {
    const probe = await read(from, 1);
    const count = countOf(probe);
    const fits = count - newer;
    if (fits > 0 && fits <= most) return { from, count };
    if (fits > most) [low, inside] = [Math.max(from, probe.entries[0]?.sequence ?? 0), fits];
    else high = from;
    // One sequence has one entry at most, whatever is counted that was stored meanwhile.
    if (high - low <= 1) return { from: Math.min(low, high - 1), count: Math.max(count, newer + 1) };
    from = guess(low, high, guesses < MAX_GUESSES ? (most * FILL) / inside : 0.5);
  }
};

/** Between the two, such that about this share lies behind it. */
const guess = (low: number, high: number, share: number): number =>
  Math.min(high - 1, Math.max(low + 1, Math.floor(high - (high - low) * share)));

const countOf = ({ entries, left }: Found<Entry>): number => entries.length + left;

/** How many entries like these a page holds. */
const fittingOf = (entries: readonly Entry[]): number => {
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  const fitting = Math.floor(MAX_PAGE_BYTES / Math.max(1, bytes / Math.max(1, entries.length)));
  return Math.min(MAX_PAGE_ITEMS, Math.max(1, fitting));
};
