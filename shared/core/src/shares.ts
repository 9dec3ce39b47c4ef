/** What one party has of something that several divide among themselves. */
type Share = { holds: number; used: number };

/** Parties that hold nothing are remembered for what they have used, at most about so many. */
const MAX_PARTIES = 5_000;

/**
 * Who comes next where parties take turns: whoever holds least now, and of those whoever has used least so far. A party
 * that comes, or comes back, starts where the others are: it has not saved up what it did not use, nor is it rid of what
 * it had beyond its turn.
 */
export class Shares {
  readonly #shares = new Map<string, Share>();
  /** what the newest taker had used by then */
  #level = 0;

  holds(party: string): number {
    return this.#shares.get(party)?.holds ?? 0;
  }

  /** The party waits from now on, which it did not before. */
  enter(party: string): void {
    const share = this.#shareOf(party);
    if (share.holds === 0) share.used = Math.max(share.used, this.#level);
  }

  take(party: string): void {
    const share = this.#shareOf(party);
    share.holds += 1;
    this.#level = Math.max(this.#level, share.used);
  }

  /** @param used what holding it came to, in a unit that is the same for all */
  giveBack(party: string, used: number): void {
    const share = this.#shareOf(party);
    share.holds -= 1;
    share.used += used;
    if (this.#shares.size > MAX_PARTIES) this.#forget();
  }

  /** The one whose turn it is; of equals the one that is named first. undefined: there is none. */
  next(parties: Iterable<string>): string | undefined {
    let best: string | undefined;
    for (const party of parties) if (best === undefined || this.#isBefore(party, best)) best = party;
    return best;
  }

  #isBefore(party: string, other: string): boolean {
    const [a, b] = [this.#shareOf(party), this.#shareOf(other)];
    return a.holds === b.holds ? a.used < b.used : a.holds < b.holds;
  }

  #shareOf(party: string): Share {
    const known = this.#shares.get(party) ?? { holds: 0, used: 0 };
    this.#shares.set(party, known);
    return known;
  }

  /** Those that would start where the others are anyway; where there are none, whoever holds nothing. */
  #forget(): void {
    const before = this.#shares.size;
    for (const [party, { holds, used }] of this.#shares)
      if (holds === 0 && used <= this.#level) this.#shares.delete(party);
    if (this.#shares.size < before) return;
    for (const [party, { holds }] of this.#shares) if (holds === 0) this.#shares.delete(party);
  }
}
