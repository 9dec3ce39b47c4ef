import { fnv1a } from './hash.ts';
import { Shares } from './shares.ts';

/** Whose something is: users take turns within their org, orgs among themselves. */
export type Party = { readonly org: string; readonly user: string };

/** By what a job tells users apart: it may outlive what is erased of its session, so it names nobody. */
export const partyOf = (org: string, user: string): Party => ({ org, user: fnv1a(user).toString(36) });

/** First in, first out, by user. */
type Waiting<Entry> = Map<string, Entry[]>;

/**
 * What waits for a slot, and who holds one. Slots go round by org, and those of an org by user, whoever came first and
 * however much each asks for.
 */
export class FairQueue<Entry extends Party> {
  readonly #waiting = new Map<string, Waiting<Entry>>();
  readonly #orgs = new Shares();
  /** of orgs that wait or hold something */
  readonly #users = new Map<string, Shares>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(entry: Entry): void {
    const { org, user } = entry;
    const users = this.#waiting.get(org) ?? new Map<string, Entry[]>();
    if (users.size === 0) this.#orgs.enter(org);
    if (!users.has(user)) this.#usersOf(org).enter(user);
    const entries = users.get(user);
    if (entries === undefined) users.set(user, [entry]);
    else entries.push(entry);
    this.#waiting.set(org, users);
    this.#size += 1;
  }

  /** The entry whose turn it is, which stays. */
  peek(): Entry | undefined {
    const org = this.#orgs.next(this.#waiting.keys());
    if (org === undefined) return undefined;
    const users = this.#waiting.get(org) ?? new Map<string, Entry[]>();
    const user = this.#usersOf(org).next(users.keys());
    return user === undefined ? undefined : users.get(user)?.[0];
  }

  remove(entry: Entry): void {
    const { org, user } = entry;
    const users = this.#waiting.get(org);
    const entries = users?.get(user);
    const at = entries?.indexOf(entry) ?? -1;
    if (users === undefined || entries === undefined || at < 0) return;
    entries.splice(at, 1);
    this.#size -= 1;
    if (entries.length === 0) users.delete(user);
    if (users.size === 0) this.#waiting.delete(org);
    this.#forget(org);
  }

  /** Entries in any order. */
  *entries(): Iterable<Entry> {
    for (const users of this.#waiting.values()) for (const entries of users.values()) yield* entries;
  }

  /** How many slots an org holds, and how many of them its user. */
  holds({ org, user }: Party): { readonly org: number; readonly user: number } {
    return { org: this.#orgs.holds(org), user: this.#users.get(org)?.holds(user) ?? 0 };
  }

  take({ org, user }: Party): void {
    this.#orgs.take(org);
    this.#usersOf(org).take(user);
  }

  /** @param used what came of the slot, in a unit that is the same for all */
  giveBack({ org, user }: Party, used: number): void {
    this.#orgs.giveBack(org, used);
    this.#usersOf(org).giveBack(user, used);
    this.#forget(org);
  }

  #usersOf(org: string): Shares {
    const users = this.#users.get(org) ?? new Shares();
    this.#users.set(org, users);
    return users;
  }

  #forget(org: string): void {
    if (!this.#waiting.has(org) && this.#orgs.holds(org) === 0) this.#users.delete(org);
  }
}
