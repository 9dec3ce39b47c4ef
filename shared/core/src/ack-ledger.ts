import type { Governor } from '@sluice/protocol';

/** What one party (a viewer on an edge, an edge at a worker) has acknowledged of one generation. */
export type LedgerEntry = {
  readonly epoch: number;
  readonly seq: number;
  /** viewers it speaks for; 0 takes it out of the count */
  readonly viewers: number;
  /** whether it speaks for the prompt's author; at a worker every edge does, having filtered already */
  readonly owner: boolean;
  /** when it last spoke, ms */
  readonly at: number;
};

/** The ack that governs a generation: `undefined` while nobody who counts has acknowledged anything. */
export type Governed = { readonly seq: number; readonly viewers: number };

type Answer = Governed & { readonly epoch: number };

/**
 * Combines acks by the generation's governor. The same ledger serves an edge over its viewers and a
 * worker over the edges, since highest, lowest and the owner's all combine associatively.
 */
export class AckLedger {
  readonly governor: Governor;
  readonly #entries = new Map<string, LedgerEntry>();
  /** the last answer, while it is known to hold: a thousand viewers ack one after the other */
  #known: Answer | undefined;

  constructor(governor: Governor) {
    this.governor = governor;
  }

  set(party: string, entry: LedgerEntry): void {
    const old = this.#entries.get(party);
    this.#entries.set(party, entry);
    if (this.#known !== undefined) this.#known = this.#follow(this.#known, old, entry);
  }

  delete(party: string): void {
    this.#entries.delete(party);
    this.#known = undefined;
  }

  /**
   * Forgets parties that have been silent since before `cutoff` (ms): a dead edge must not govern.
   * @returns whether there were any
   */
  expire(cutoff: number): boolean {
    const before = this.#entries.size;
    for (const [party, entry] of this.#entries) if (entry.at < cutoff) this.#entries.delete(party);
    if (this.#entries.size === before) return false;
    this.#known = undefined;
    return true;
  }

  /**
   * The governing ack in `epoch`: highest for `fastest`, lowest for `slowest`, the author's highest for
   * `owner`; with `none` nothing governs and seq is Infinity. Acks of another epoch count as 0.
   */
  governed(epoch: number): Governed {
    if (this.#known?.epoch !== epoch) this.#known = { ...this.#combine(epoch), epoch };
    const { seq, viewers } = this.#known;
    return { seq, viewers };
  }

  #combine(epoch: number): Governed {
    let viewers = 0;
    let highest = 0;
    let lowest = Infinity;
    let owners = 0;
    for (const entry of this.#entries.values()) {
      if (entry.viewers === 0) continue;
      const seq = entry.epoch === epoch ? entry.seq : 0;
      viewers += entry.viewers;
      highest = Math.max(highest, seq);
      lowest = Math.min(lowest, seq);
      if (entry.owner) owners = Math.max(owners, seq);
    }
    return { seq: this.#pick(highest, viewers === 0 ? 0 : lowest, owners), viewers };
  }

  /** The answer after one party's entry changed; undefined where all of them must be looked at again. */
  #follow(known: Answer, old: LedgerEntry | undefined, entry: LedgerEntry): Answer | undefined {
    if (old === undefined || old.viewers !== entry.viewers || old.owner !== entry.owner) return undefined;
    if (old.epoch !== known.epoch || entry.epoch !== known.epoch || entry.viewers === 0) return undefined;
    const { seq } = known;
    if (this.governor === 'none') return known;
    // The lowest one moved, or another fell below it.
    if (this.governor === 'slowest') return old.seq > seq && entry.seq >= seq ? known : undefined;
    if (this.governor === 'owner' && !entry.owner) return known;
    if (entry.seq >= seq) return { ...known, seq: entry.seq };
    return old.seq < seq ? known : undefined;
  }

  #pick(highest: number, lowest: number, owners: number): number {
    switch (this.governor) {
      case 'fastest':
        return highest;
      case 'slowest':
        return lowest;
      case 'owner':
        return owners;
      case 'none':
        return Infinity;
    }
  }
}
