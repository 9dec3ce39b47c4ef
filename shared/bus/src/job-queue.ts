import type { GenerationKey } from '@sluice/protocol';

/** A generation that waits for a worker. `attempt` is the claim it asks for: a stale repeat is skipped. */
export type Job = GenerationKey & { readonly model: string; readonly attempt: number };

/** One delivery of a job. Until acked it comes again after the ack wait, which `working` extends. */
export type Delivery = {
  readonly job: Job;
  readonly redelivered: boolean;
  working(): void;
  ack(): Promise<void>;
  /** Hands the job back; it is delivered again after `delayMs` (default 0). */
  nak(delayMs?: number): void;
};

export type JobQueue = {
  /** Idempotent: the same job (generation and attempt) published again soon is stored once. */
  publish(job: Job): Promise<void>;
  /**
   * Waits for the next job of a model. Resolves to undefined when `waitMs` pass or `signal` aborts; a job
   * that arrives too late for it goes to the next pull at once. Outages are waited through.
   * @throws BusUnavailableError when NATS still does not answer at the end of `waitMs`
   */
  pull(model: string, waitMs: number, signal: AbortSignal): Promise<Delivery | undefined>;
};
