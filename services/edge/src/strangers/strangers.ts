/** Who has come a moment ago may be about to say who it is: only the bound of all counts for it, ms. */
const GRACE_MS = 1_000;
/** What the first frames of all strangers may hold together beyond what each may, bytes. */
const MAX_HELD_BYTES = 3 * 1024 * 1024;

/** A connection whose client has shown no credential that is accepted. */
export type Stranger = {
  readonly address: string;
  /** ms */
  readonly since: number;
  /** Ends it at once. */
  cut(): void;
};

export type StrangerLimits = {
  /** of all addresses */
  readonly maxStrangers: number;
  readonly maxStrangersPerAddress: number;
};

/**
 * The places of those who have not said who they are: few, and apart from everybody else's. Nobody new is refused for want
 * of one: who has been silent for the longest goes, of the address that has the most.
 */
export class Strangers {
  readonly #limits: StrangerLimits;
  /** by address, oldest first */
  readonly #byAddress = new Map<string, Set<Stranger>>();
  readonly #held = new Map<Stranger, number>();
  #size = 0;
  #heldBytes = 0;

  constructor(limits: StrangerLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  add(stranger: Stranger): void {
    const { address } = stranger;
    const others = this.#byAddress.get(address) ?? new Set();
    this.#byAddress.set(address, others.add(stranger));
    this.#size += 1;
    while (this.#size > this.#limits.maxStrangers) this.cutOne();
  }

  /** Idempotent. */
  remove(stranger: Stranger): void {
    const others = this.#byAddress.get(stranger.address);
    if (others?.delete(stranger) !== true) return;
    this.#size -= 1;
    if (others.size === 0) this.#byAddress.delete(stranger.address);
    this.#heldBytes -= this.#held.get(stranger) ?? 0;
    this.#held.delete(stranger);
  }

  /** Whether more of their first frames may be read. */
  get hasRoom(): boolean {
    return this.#heldBytes < MAX_HELD_BYTES;
  }

  /** So much of its first frame is in memory. */
  hold(stranger: Stranger, bytes: number): void {
    this.#heldBytes += bytes - (this.#held.get(stranger) ?? 0);
    this.#held.set(stranger, bytes);
  }

  /** @returns false: there is nobody */
  cutOne(): boolean {
    let most: ReadonlySet<Stranger> = new Set();
    for (const others of this.#byAddress.values()) if (others.size > most.size) most = others;
    const [oldest] = most;
    if (oldest !== undefined) this.#cut(oldest);
    return oldest !== undefined;
  }

  /** Cuts what is more than one address may have for longer than a moment, and who keeps others from being read. */
  trim(now: number): void {
    for (const stranger of this.#held.keys())
      if (!this.hasRoom && now - stranger.since >= GRACE_MS) this.#cut(stranger);
    for (const others of this.#byAddress.values())
      for (const stranger of others) {
        if (others.size <= this.#limits.maxStrangersPerAddress || now - stranger.since < GRACE_MS) break;
        this.#cut(stranger);
      }
  }

  #cut(stranger: Stranger): void {
    this.remove(stranger);
    stranger.cut();
  }
}
