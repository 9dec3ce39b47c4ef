import { SluiceError } from '@sluice/protocol';
import type { Org } from '@sluice/protocol';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Grant } from '../auth/grant.ts';

export type UserLimitOptions = {
  readonly maxConnectionsPerUser: number;
  readonly promptsPerMinute: number;
  readonly requestsPerSecond: number;
};

/** What one user of an org may have and do on this edge. */
export class UserLimits {
  readonly #maxConnections: number;
  readonly #connections = new Map<string, number>();
  readonly #orgs = new Map<Org, number>();
  readonly #prompts: RateLimiterMemory;
  readonly #requests: RateLimiterMemory;

  constructor({ maxConnectionsPerUser, promptsPerMinute, requestsPerSecond }: UserLimitOptions) {
    this.#maxConnections = maxConnectionsPerUser;
    this.#prompts = new RateLimiterMemory({ points: promptsPerMinute, duration: 60 });
    this.#requests = new RateLimiterMemory({ points: requestsPerSecond, duration: 1 });
  }

  /** Counts a connection in; false: there are too many, and it was not counted. */
  enter(grant: Grant): boolean {
    const user = pathOf(grant);
    const open = this.#connections.get(user) ?? 0;
    if (open >= this.#maxConnections) return false;
    this.#connections.set(user, open + 1);
    this.#orgs.set(grant.org, this.connections(grant.org) + 1);
    return true;
  }

  leave(grant: Grant): void {
    const user = pathOf(grant);
    const open = this.#connections.get(user) ?? 0;
    if (open <= 1) this.#connections.delete(user);
    else this.#connections.set(user, open - 1);
    const others = this.connections(grant.org) - 1;
    if (others <= 0) this.#orgs.delete(grant.org);
    else this.#orgs.set(grant.org, others);
  }

  /** Connections that have signed in. @param org undefined: of all orgs */
  connections(org?: Org): number {
    if (org !== undefined) return this.#orgs.get(org) ?? 0;
    let sum = 0;
    for (const connections of this.#orgs.values()) sum += connections;
    return sum;
  }

  /** Takes one new prompt from the user's allowance. @throws SluiceError rate_limited */
  takePrompt(grant: Grant): Promise<void> {
    return take(this.#prompts, grant, 'too many prompts in a minute');
  }

  /** Takes one HTTP request from the user's allowance. @throws SluiceError rate_limited */
  takeRequest(grant: Grant): Promise<void> {
    return take(this.#requests, grant, 'too many requests in a second');
  }
}

const take = async (allowance: RateLimiterMemory, grant: Grant, tooMuch: string): Promise<void> => {
  try {
    await allowance.consume(pathOf(grant));
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    throw new SluiceError('rate_limited', tooMuch, { retryAfterMs: refusal.msBeforeNext });
  }
};

/** JSON keeps `org` and `user` apart whatever characters a user name has. */
const pathOf = ({ org, user }: Grant): string => JSON.stringify([org, user]);
