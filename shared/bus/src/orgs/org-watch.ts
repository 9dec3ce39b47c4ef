import type { Org, OrgSettings } from '@sluice/protocol';
import type { Bus } from '../bus.ts';
import type { Subscription } from '../token-log.ts';

/** A write that nobody heard of is found after this long, ms. */
const READ_MS = 60_000;

const NONE: OrgSettings = {};

/** What is set for orgs as of a moment ago: nothing waits for a look. */
export class OrgWatch {
  readonly #bus: Pick<Bus, 'orgs' | 'link'>;
  readonly #onError: (error: unknown) => void;
  #settings = new Map<Org, OrgSettings>();
  /** what was heard while a list is read, and may be newer than it */
  #heard = new Map<Org, OrgSettings>();
  #subscriptions: Subscription[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(bus: Pick<Bus, 'orgs' | 'link'>, onError: (error: unknown) => void) {
    this.#bus = bus;
    this.#onError = onError;
  }

  /** Resolves after a first look. May be called again when it failed. @throws BusUnavailableError */
  async open(): Promise<void> {
    if (this.#subscriptions.length === 0) {
      const heard = await this.#bus.orgs.onWrite((org, settings) => {
        this.#settings.set(org, settings);
        this.#heard.set(org, settings);
      });
      this.#subscriptions = [heard, this.#bus.link.onReconnect(() => this.#look())];
    }
    await this.#read();
    if (this.#isClosed) return this.close();
    this.#timer ??= setInterval(() => this.#look(), READ_MS);
  }

  /** What is set for this org; empty where nothing is. */
  of(org: Org): OrgSettings {
    return this.#settings.get(org) ?? NONE;
  }

  /** Every org for which something is set. */
  all(): readonly (readonly [Org, OrgSettings])[] {
    return [...this.#settings];
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const subscription of this.#subscriptions.splice(0)) subscription.close();
  }

  #look(): void {
    this.#read().catch((error: unknown) => {
      if (!this.#isClosed) this.#onError(error);
    });
  }

  async #read(): Promise<void> {
    this.#heard.clear();
    const listed = await this.#bus.orgs.list();
    this.#settings = new Map([...listed, ...this.#heard]);
  }
}
