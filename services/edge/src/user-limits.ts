import { SluiceError } from '@sluice/protocol';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Grant } from './auth/grant.ts';

export type UserLimitOptions = { readonly maxConnectionsPerUser: number; readonly promptsPerMinute: number };

/** What one user of an org may have and do on this edge. */
export class UserLimits {
  readonly #maxConnections: number;
  readonly #connections = new Map<string, number>();
  readonly #prompts: RateLimiterMemory;

  constructor({ maxConnectionsPerUser, promptsPerMinute }: UserLimitOptions) {
    this.#maxConnections = maxConnectionsPerUser;
    this.#prompts = new RateLimiterMemory({ points: promptsPerMinute, duration: 60 });
  }

  /** Counts a connection in; false: there are too many, and it was not counted. */
  enter(grant: Grant): boolean {
    const user = pathOf(grant);
    const open = this.#connections.get(user) ?? 0;
    if (open >= this.#maxConnections) return false;
    this.#connections.set(user, open + 1);
    return true;
  }

  leave(grant: Grant): void {
    const user = pathOf(grant);
    const open = this.#connections.get(user) ?? 0;
    if (open <= 1) this.#connections.delete(user);
    else this.#connections.set(user, open - 1);
  }

  /** Takes one new prompt from the user's allowance. @throws SluiceError rate_limited */
  async takePrompt(grant: Grant): Promise<void> {
    try {
      await this.#prompts.consume(pathOf(grant));
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      const retryAfterMs = refusal.msBeforeNext;
      throw new SluiceError('rate_limited', 'too many prompts in a minute', { retryAfterMs });
    }
  }
}

/** JSON keeps `org` and `user` apart whatever characters a user name has. */
const pathOf = ({ org, user }: Grant): string => JSON.stringify([org, user]);
