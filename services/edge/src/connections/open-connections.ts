import { SluiceError } from '@sluice/protocol';
import type { Grant } from '../auth/grant.ts';
import type { EdgeTally } from '../tally/edge-tally.ts';
import type { UserLimits } from './user-limits.ts';

/** What carries a connection; a label of the metric, so the set is fixed. */
export type TransportName = 'websocket' | 'sse' | 'poll' | 'wait';

/** Everything that is open on an edge and costs it a place, whatever carries it. */
export class OpenConnections {
  readonly #max: number;
  readonly #byTransport: EdgeTally['connections'];
  #open = 0;

  constructor(max: number, byTransport: EdgeTally['connections']) {
    this.#max = max;
    this.#byTransport = byTransport;
  }

  get isFull(): boolean {
    return this.#open >= this.#max;
  }

  /** Takes a place. @throws SluiceError unavailable */
  enter(transport: TransportName): void {
    if (this.isFull) throw new SluiceError('unavailable', 'no more connections', { retryAfterMs: 2_000 });
    this.#open += 1;
    this.#byTransport.add(transport);
  }

  /** Gives back what was taken, once. */
  leave(transport: TransportName): void {
    this.#open -= 1;
    this.#byTransport.add(transport, -1);
  }
}

export type Places = { readonly connections: OpenConnections; readonly users: UserLimits };

/**
 * Counts a connection of a user in, on the edge and with the user's own.
 * @returns what counts it out again; idempotent
 * @throws SluiceError unavailable, rate_limited
 */
export const takePlace = async (
  { connections, users }: Places,
  grant: Grant,
  transport: TransportName,
): Promise<() => void> => {
  connections.enter(transport);
  try {
    await users.enter(grant);
  } catch (error) {
    connections.leave(transport);
    throw error;
  }
  let isIn = true;
  return () => {
    if (!isIn) return;
    isIn = false;
    users.leave(grant);
    connections.leave(transport);
  };
};
