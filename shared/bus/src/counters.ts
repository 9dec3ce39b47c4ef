import type { Org, SessionId } from '@sluice/protocol';

/** What is counted: of a session, or of its whole org; of everybody there, or of one user. */
export type CounterName = {
  readonly org: Org;
  readonly session?: SessionId;
  readonly user?: string;
  /** since the Unix epoch: what is counted of this minute alone, and forgotten soon after; of no session */
  readonly minute?: number;
  readonly unit: 'items' | 'bytes' | 'generations' | 'prompts' | 'messages' | 'connections';
};

/** A counter of a minute is kept for this long after its last change, ms: leases are renewed in the minute before. */
export const RATES_KEPT_MS = 3 * 60_000;

export type Count = {
  readonly value: number;
  /** of its last change: another one means that somebody has added since */
  readonly seq: number;
};

/**
 * Counters that every edge and worker adds to. Each addition gets a value of its own, so a limit holds exactly over any
 * number of them. A counter that nobody added to for as long as items are kept is gone. All methods throw
 * BusUnavailableError.
 */
export type Counters = {
  /**
   * Adds and resolves to the value then; a missing counter starts from 0. When it rejects, the outcome is unknown.
   * An answer that was lost is asked for again: then the value may include what others added meanwhile.
   * @param once what is added under the same word within 30 s counts once
   */
  add(name: CounterName, delta: number, once?: string): Promise<number>;
  read(name: CounterName): Promise<Count | undefined>;
  /** Starts a missing counter from a value: once, whoever does so at the same time. @returns whether this call did */
  begin(name: CounterName, value: number): Promise<boolean>;
  /**
   * Sets a counter, once for all who found it at `seq`, if it has rested for `restMs`.
   * @returns whether this call did; false also where its answer was lost
   */
  correct(name: CounterName, to: Correction): Promise<boolean>;
  /** Sum over the sessions of an org, of everybody or of one user. */
  storedBytes(org: Org, user?: string): Promise<number>;
};

export type Correction = {
  readonly value: number;
  readonly seq: number;
  /** how long ago the last change must be, ms, by the clock of the store */
  readonly restMs: number;
};
