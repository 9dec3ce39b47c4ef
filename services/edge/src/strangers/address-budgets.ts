/** Addresses that are remembered: a further one takes the place of the one that was silent for the longest. */
const MAX_ADDRESSES = 10_000;
/** What is not used is saved up for this long, s. */
const SAVED_S = 10;

type Budget = { left: number; at: number };

/** What each address may ask without a credential that is accepted: so much a minute, a sixth of it at once. */
export class AddressBudgets {
  readonly #perSecond: number;
  readonly #budgets = new Map<string, Budget>();

  constructor(perMinute: number) {
    this.#perSecond = perMinute / 60;
  }

  /** @returns false when too little is left, and nothing was taken */
  take(address: string, cost: number, now: number): boolean {
    const budget = this.#of(address, now);
    if (budget.left < cost) return false;
    budget.left -= cost;
    return true;
  }

  /** Takes what was done already, and as much again as may be saved up: nothing is left for a while. */
  charge(address: string, cost: number, now: number): void {
    const budget = this.#of(address, now);
    budget.left = Math.max(-this.#most, budget.left - cost);
  }

  giveBack(address: string, cost: number, now: number): void {
    const budget = this.#of(address, now);
    budget.left = Math.min(this.#most, budget.left + cost);
  }

  get #most(): number {
    return Math.max(1, this.#perSecond * SAVED_S);
  }

  #of(address: string, now: number): Budget {
    const known = this.#budgets.get(address);
    const left = known === undefined ? this.#most : known.left + ((now - known.at) / 1000) * this.#perSecond;
    const budget = { left: Math.min(this.#most, left), at: now };
    // The newest is last, so the first is the one that was silent for the longest.
    this.#budgets.delete(address);
    this.#budgets.set(address, budget);
    if (this.#budgets.size > MAX_ADDRESSES)
      for (const oldest of this.#budgets.keys()) {
        this.#budgets.delete(oldest);
        break;
      }
    return budget;
  }
}
