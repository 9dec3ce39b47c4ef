/**
 * How far the items of a session are known. Everything stored up to `rev` was read without a gap: only a list moves
 * that. What is announced beyond it is remembered by id, until a list has passed it: so nothing is told twice, nor an
 * older version after a newer one, and what was never announced is still found by the next list.
 */
export class ItemCursor {
  /** made when needed: an edge holds one cursor for each watched session */
  #ahead: Map<string, number> | undefined;
  #rev = 0;
  #newest = 0;

  /** Where the next list begins. */
  get rev(): number {
    return this.#rev;
  }
  /** The highest rev heard of. */
  get newest(): number {
    return this.#newest;
  }
  /** Items that are remembered, because no list has passed them yet. */
  get ahead(): number {
    return this.#ahead?.size ?? 0;
  }

  /** A version came, live or in a list. @returns whether it is news: neither it nor a newer one has come before */
  take(id: string, rev: number): boolean {
    this.#newest = Math.max(this.#newest, rev);
    if (rev <= this.#rev || rev <= (this.#ahead?.get(id) ?? 0)) return false;
    (this.#ahead ??= new Map()).set(id, rev);
    return true;
  }

  /** All of a page that began at `rev` was taken; it ends at `rev`, also where its last items cannot be read. */
  listed(rev: number): void {
    if (rev <= this.#rev) return;
    this.#rev = rev;
    this.#newest = Math.max(this.#newest, rev);
    const ahead = [...(this.#ahead ?? [])].filter(([, each]) => each > rev);
    this.#ahead = ahead.length === 0 ? undefined : new Map(ahead);
  }
}
