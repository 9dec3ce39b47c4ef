import type { GenerationKey } from '@sluice/protocol';

/** A generation that waits for a worker. `attempt` is the claim it asks for: a stale repeat is skipped. */
export type Job = GenerationKey & {
  readonly model: string;
  readonly attempt: number;
  /** whose prompt it is, since users of an org take turns; undefined: published by a worker that does not say */
  readonly user?: string;
  /** true: it was in the own queue of a worker that is gone, which may have had it before */
  readonly isOrphan?: boolean;
};

/** One delivery of a job. Until acked it comes again after the ack wait, which `working` extends. */
export type Delivery = {
  readonly job: Job;
  /** somebody may have had this job before */
  readonly redelivered: boolean;
  working(): void;
  ack(): Promise<void>;
  /** Hands the job back; it is delivered again after `delayMs` (default 0). */
  nak(delayMs?: number): void;
};

/** The queue of a model that all its workers share. No worker has this name. */
export const ANY_QUEUE = 'any';

/**
 * Each model has one queue that its workers share, and each worker a queue of its own for jobs of any
 * model. A job may be in several queues: the claim decides, and what comes later is skipped.
 */
export type JobQueue = {
  /**
   * Idempotent: a queue holds a job (generation and attempt) once, and takes it again only when that one is acked or
   * lost.
   * @param queue {@link ANY_QUEUE} (default) or the name of a worker that pulls its own queue
   */
  publish(job: Job, queue?: string): Promise<void>;
  /**
   * Waits for the next job of a model. Resolves to undefined when `waitMs` pass or `signal` aborts; a job
   * that arrives too late for it goes to the next pull at once. Outages are waited through.
   * @throws BusUnavailableError when NATS still does not answer at the end of `waitMs`
   */
  pull(model: string, waitMs: number, signal: AbortSignal): Promise<Delivery | undefined>;
  /** The same from the worker's own queue. */
  pullOwn(worker: string, waitMs: number, signal: AbortSignal): Promise<Delivery | undefined>;
  /**
   * Closes the own queue of a worker that is gone: all its jobs, those it has taken and not acked among
   * them, move to the queues that are shared. Harmless while the worker still lives, or twice at once.
   * @returns how many moved
   * @throws BusUnavailableError; what has not moved is still there
   */
  adopt(worker: string): Promise<number>;
  /** Workers whose own queue holds jobs, taken ones included. @throws BusUnavailableError */
  owners(): Promise<readonly string[]>;
  /**
   * The jobs of all queues, those that workers have taken among them; one that is in two queues comes twice.
   * @throws BusUnavailableError
   */
  list(): Promise<readonly Job[]>;
};
