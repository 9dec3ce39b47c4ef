import type { Clock, Logger } from '@sluice/runtime';

const SETTING = 'SLUICE_ALLOWED_ORIGINS';
/** An entry that ends so allows every port: a page under development has another one each time. */
const ANY_PORT = ':*';
const PORT = /:\d{1,5}$/;
/** At most one refused origin is logged in this time, ms: any client can send any origin. */
const LOG_EVERY_MS = 60_000;
const MAX_LOGGED_CHARS = 200;

/** What a page of another origin is told, by every door. */
export const ORIGIN_REFUSED = `pages of this origin may not connect: ${SETTING} names those that may`;

/** The web pages that may connect, by where they come from. */
export class Origins {
  readonly #entries: ReadonlySet<string>;
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'now'>;
  #loggedAt = -Infinity;

  /** @param entries exact ones, or `http://localhost:*` for every port */
  constructor(entries: readonly string[], { logger, clock }: { logger: Logger; clock: Pick<Clock, 'now'> }) {
    this.#entries = new Set(entries);
    this.#logger = logger;
    this.#clock = clock;
  }

  get areListed(): boolean {
    return this.#entries.size > 0;
  }

  allows(origin: string): boolean {
    return this.#entries.has(origin) || this.#entries.has(origin.replace(PORT, '') + ANY_PORT);
  }

  /** Says to the operator, now and then, that a page was refused. @param host that it asked for */
  refused(origin: string, host: string | undefined): void {
    const now = this.#clock.now();
    if (now - this.#loggedAt < LOG_EVERY_MS) return;
    this.#loggedAt = now;
    this.#logger.warn('origin_refused', {
      origin: origin.slice(0, MAX_LOGGED_CHARS),
      host,
      setting: SETTING,
    });
  }
}

/** Whether a page asks the server that it came from. Schemes may differ: a proxy may end TLS. */
export const isOwnOrigin = (origin: string, host: string | undefined): boolean =>
  host !== undefined && /^https?:\/\//.test(origin) && origin.replace(/^https?:\/\//, '') === host;
