import type { Bus } from '@sluice/bus';
import { refusalOf } from '@sluice/lifecycle';
import type { OrgQuota } from '@sluice/lifecycle';
import { SluiceError } from '@sluice/protocol';
import type { Org } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Grant } from '../auth/grant.ts';
import { ConnectionLeases } from './connection-leases.ts';

export type UserLimitOptions = { readonly requestsPerSecond: number };

export type UserLimitDeps = {
  readonly bus: Bus;
  readonly clock: Clock;
  /** what an org and its users may have at the moment */
  readonly quotaOf: (org: Org) => OrgQuota;
};

/** Connections of users and orgs over all edges, and the requests of a user here. */
export class UserLimits {
  readonly #deps: UserLimitDeps;
  readonly #leases: ConnectionLeases;
  readonly #requests: RateLimiterMemory;
  #open = 0;

  constructor({ requestsPerSecond }: UserLimitOptions, deps: UserLimitDeps) {
    this.#deps = deps;
    this.#leases = new ConnectionLeases(deps.bus, deps.clock);
    this.#requests = new RateLimiterMemory({ points: requestsPerSecond, duration: 1 });
  }

  /**
   * Counts a connection in. While NATS does not answer, only those of this edge count.
   * @throws SluiceError rate_limited: there are too many, and it was not counted
   */
  async enter({ org, user }: Grant): Promise<void> {
    const quota = this.#deps.quotaOf(org);
    const limits = [
      { name: { org, user, unit: 'connections' }, most: quota.user.connections },
      { name: { org, unit: 'connections' }, most: quota.org.connections },
    ] as const;
    // What is too much here is too much anywhere, and costs no request.
    const here = limits.find(({ name, most }) => this.#leases.open(name) >= most);
    if (here !== undefined) throw this.#refusal(here, here.most);
    this.#open += 1;
    const counts = await Promise.all(limits.map(({ name }) => this.#leases.enter(name)));
    const over = limits.findIndex(({ most }, n) => (counts[n] ?? 0) > most);
    const limit = limits[over];
    if (limit === undefined) return;
    this.leave({ org, user });
    throw this.#refusal(limit, (counts[over] ?? 1) - 1);
  }

  leave({ org, user }: Pick<Grant, 'org' | 'user'>): void {
    this.#open -= 1;
    this.#leases.leave({ org, user, unit: 'connections' });
    this.#leases.leave({ org, unit: 'connections' });
  }

  /** Connections here that have signed in. @param org undefined: of all orgs */
  connections(org?: Org): number {
    return org === undefined ? this.#open : this.#leases.open({ org, unit: 'connections' });
  }

  /** Takes one HTTP request from the user's allowance here. @throws SluiceError rate_limited */
  async takeRequest(grant: Grant): Promise<void> {
    try {
      await this.#requests.consume(pathOf(grant));
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      throw new SluiceError('rate_limited', 'too many requests in a second', {
        retryAfterMs: refusal.msBeforeNext,
      });
    }
  }

  /** Called twice a second. */
  tick(now: number): void {
    this.#leases.tick(now);
  }

  close(): void {
    this.#leases.close();
  }

  #refusal(
    { name, most }: { readonly name: Parameters<typeof refusalOf>[0]['name']; readonly most: number },
    used: number,
  ): SluiceError {
    return refusalOf({ name, most, title: 'connections' }, used, this.#deps.clock.now());
  }
}

/** JSON keeps `org` and `user` apart whatever characters a user name has. */
const pathOf = ({ org, user }: Grant): string => JSON.stringify([org, user]);
