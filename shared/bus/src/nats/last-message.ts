import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { BusUnavailableError } from '../bus.ts';

/** Wraps whatever the library throws, so that callers know one error for "NATS did not answer". */
export const unavailable = (what: string, cause: unknown): BusUnavailableError =>
  cause instanceof BusUnavailableError
    ? cause
    : new BusUnavailableError(`${what}: expected an answer from NATS, got ${(cause as Error).message}`, {
        cause,
      });

/**
 * The newest message of a subject. With several replicas a direct get may answer from one that lags,
 * so what a decision rests on is read through the leader; a single server is its own leader and the
 * direct get costs it less.
 */
export const readLast = async (
  jsm: JetStreamManager,
  stream: string,
  subject: string,
  replicas: number,
): Promise<StoredMsg | undefined> => {
  try {
    const query = { last_by_subj: subject };
    const reader = replicas === 1 ? jsm.direct : jsm.streams;
    return (await reader.getMessage(stream, query)) ?? undefined;
  } catch (error) {
    throw unavailable(`read of ${stream}`, error);
  }
};

/** A replica that takes longer hangs, or cannot be reached: the leader is asked, ms. */
const REPLICA_MS = 300;
/** And it alone for this long, since nobody can choose which replica answers a direct get, ms. */
const DOUBT_MS = 5_000;

/**
 * Reads messages by their stream sequence. What is stored never changes, so any replica may answer; but one that
 * lags does not have it yet, so only the leader's "not found" counts, and one that hangs does not answer at all.
 */
export class SequenceReader {
  readonly #jsm: JetStreamManager;
  readonly #replicas: number;
  #leaderUntil = 0;

  constructor(jsm: JetStreamManager, replicas: number) {
    this.#jsm = jsm;
    this.#replicas = replicas;
  }

  /** @throws BusUnavailableError */
  async read(stream: string, sequence: number): Promise<StoredMsg | undefined> {
    const query = { seq: sequence };
    try {
      if (this.#replicas === 1) return (await this.#jsm.direct.getMessage(stream, query)) ?? undefined;
      const found = await this.#fromReplica(stream, query);
      return found ?? (await this.#jsm.streams.getMessage(stream, query)) ?? undefined;
    } catch (error) {
      throw unavailable(`read of ${stream}`, error);
    }
  }

  /** What a replica says within its time; undefined: ask the leader. */
  async #fromReplica(stream: string, query: { readonly seq: number }): Promise<StoredMsg | undefined> {
    if (performance.now() < this.#leaderUntil) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('a replica does not answer')), REPLICA_MS);
    });
    try {
      return (await Promise.race([this.#jsm.direct.getMessage(stream, query), late])) ?? undefined;
    } catch {
      // Why does not matter: the leader knows.
      this.#leaderUntil = performance.now() + DOUBT_MS;
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
