import type { StoredRevocation } from '@sluice/core';
import type { Revocation } from '@sluice/protocol';
import type { Subscription } from './token-log.ts';

export type RevocationList = {
  readonly revocations: readonly StoredRevocation[];
  /** every one up to this sequence is listed, or counts no more */
  readonly upTo: number;
};

/** Tokens that count no more. Edges read and hear of them; only operators write. */
export type Revocations = {
  /**
   * Stores it in place of an earlier one of the same target, until it expires: at once where it is to lift that one.
   * @throws BusUnavailableError, BusRefusedError
   */
  put(revocation: Revocation): Promise<void>;
  /** @throws BusUnavailableError */
  list(): Promise<RevocationList>;
  /** Calls with each that is stored from now on. @throws BusUnavailableError */
  watch(listener: (revocation: StoredRevocation) => void): Promise<Subscription>;
};
