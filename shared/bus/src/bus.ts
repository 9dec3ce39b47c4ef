import type { Border } from './border.ts';
import type { Control, Presence } from './control.ts';
import type { Counters } from './counters.ts';
import type { Erasure } from './cards/erasure.ts';
import type { JobQueue } from './job-queue.ts';
import type { Orgs } from './orgs/orgs.ts';
import type { Relay } from './relay.ts';
import type { Revocations } from './revocations.ts';
import type { SessionCards } from './cards/session-cards.ts';
import type { OpenGenerations, SessionStore } from './session-store.ts';
import type { StatsDemand } from './stats/stats-demand.ts';
import type { Subscription, TokenLog } from './token-log.ts';
import type { UsageLedger } from './usage-ledger.ts';
import type { WorkerDirectory } from './worker-directory.ts';

/** Everything the services share. Two implementations: NATS, and memory for tests. */
export type Bus = {
  readonly tokens: TokenLog;
  readonly sessions: SessionStore;
  readonly open: OpenGenerations;
  readonly cards: SessionCards;
  readonly erasure: Erasure;
  readonly jobs: JobQueue;
  readonly counters: Counters;
  readonly usage: UsageLedger;
  readonly control: Control;
  readonly presence: Presence;
  readonly relay: Relay;
  readonly revocations: Revocations;
  readonly workers: WorkerDirectory;
  readonly orgs: Orgs;
  readonly stats: StatsDemand;
  readonly link: Link;
  /** where all that comes is parsed, and what is foreign is told */
  readonly border: Border;
  /** Idempotent. */
  close(): Promise<void>;
};

/** The connection below the bus. */
export type Link = {
  readonly connected: boolean;
  /** Called after each reconnect: live messages may have been missed, so look at the heads again. */
  onReconnect(listener: () => void): Subscription;
  /** Resolves when the link is lost for good. */
  readonly closed: Promise<Error | undefined>;
  /** How each stream stands; none in memory. @throws BusUnavailableError */
  streams(): Promise<readonly StreamState[]>;
};

/** One stream and its copies. */
export type StreamState = {
  readonly name: string;
  /** 0..1: at 1 it refuses; always 0 where it drops its oldest messages instead */
  readonly fullness: number;
  readonly maxBytes: number;
  /** copies it should have */
  readonly replicas: number;
  /** server whose copy takes the writes; undefined while one is elected, and on a server without a cluster */
  readonly leader: string | undefined;
  /** servers whose copy is offline or has not caught up */
  readonly behind: readonly string[];
};

/** NATS cannot be reached or does not answer in time. The outcome of a write is then unknown. */
export class BusUnavailableError extends Error {
  readonly code = 'unavailable';
}

/**
 * NATS will not do this, however often it is asked. `too_large`: more than one message may hold. `full`: a limit of the
 * stream. `too_many`: more subjects than one listing takes. `forbidden`: not for this NATS user.
 */
export class BusRefusedError extends Error {
  readonly code = 'refused';
  readonly reason: 'too_large' | 'full' | 'too_many' | 'forbidden';

  constructor(reason: BusRefusedError['reason'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** The streams that exist are not what this configuration asks for. */
export class StreamMismatchError extends Error {
  readonly code = 'stream_mismatch';
}

/** The server does not take this user and password, or asks for some where none are set. */
export class RefusedLoginError extends Error {
  readonly code = 'refused_login';
}

/** The server offers no TLS where it was asked for, or one side does not trust the other's certificate. */
export class RefusedTlsError extends Error {
  readonly code = 'refused_tls';
}

/** The server is too old, or runs without JetStream. */
export class UnsupportedServerError extends Error {
  readonly code = 'unsupported_server';
}
