import { createMetrics } from '@sluice/runtime';
import type { Metrics } from '@sluice/runtime';
import type { WorkerTally } from './worker-tally.ts';

type Load = { slots(): number; running(): number };

/**
 * What a worker shows to Prometheus; see docs/OPERATIONS.md for how to read it.
 * @param metrics where; default a registry of its own
 */
export const createWorkerMetrics = (
  tally: WorkerTally,
  load: Load,
  metrics: Metrics = createMetrics({ service: 'worker' }),
): Metrics => {
  metrics.gauge({ name: 'sluice_worker_slots', help: 'Generations it may run at once.', read: load.slots });
  metrics.gauge({
    name: 'sluice_worker_running_generations',
    help: 'Generations it runs now.',
    read: load.running,
  });
  metrics.counter({
    name: 'sluice_worker_tokens_total',
    help: 'Tokens taken from the engine.',
    read: () => tally.orgs.total.tokens,
  });
  metrics.counter({
    name: 'sluice_worker_records_total',
    help: 'Token records stored.',
    read: () => tally.records,
  });
  metrics.histogram({
    name: 'sluice_worker_queue_wait_seconds',
    help: 'Time from the prompt to its claim.',
    read: () => tally.queueWait,
  });
  metrics.histogram({
    name: 'gen_ai_server_time_to_first_token_seconds',
    help: 'Time from the claim to the first token from the engine.',
    read: () => tally.claimToToken,
  });
  metrics.histogram({
    name: 'gen_ai_server_time_per_output_token_seconds',
    help: 'Mean time per token of a run, holds left out.',
    read: () => tally.timePerToken,
  });
  metrics.histogram({
    name: 'sluice_worker_abort_seconds',
    help: 'Time from a cancel to the engine having let go.',
    read: () => tally.abort,
  });
  metrics.counter({
    name: 'sluice_worker_paused_seconds_total',
    help: 'Time runs were held because viewers did not ack.',
    read: () => tally.heldMs / 1000,
  });
  metrics.counter({
    name: 'sluice_worker_saved_tokens_total',
    help: 'Tokens not generated because a run was cancelled or abandoned; how many were to come is an estimate.',
    read: () => tally.orgs.total.savedByStop,
  });
  metrics.counter({
    name: 'sluice_worker_fenced_total',
    help: 'Runs stopped because a newer attempt owns their log.',
    read: () => tally.fenced,
  });
  metrics.counter({
    name: 'sluice_worker_prompt_tokens_total',
    help: 'Prompt tokens, by whether the engine’s KV cache had them, as far as it says so.',
    labels: ['cache'],
    read: () => tally.promptTokens,
  });
  metrics.counter({
    name: 'sluice_worker_jobs_total',
    help: 'Jobs taken, by queue: `own` were placed here by their session, `any` were not.',
    labels: ['queue'],
    read: () => tally.jobs,
  });
  metrics.counter({
    name: 'sluice_worker_passed_on_jobs_total',
    help: 'Jobs placed here that had to go to another worker, since no slot was free.',
    read: () => tally.passedOn,
  });
  metrics.counter({
    name: 'sluice_worker_adopted_jobs_total',
    help: 'Jobs that this worker took out of the own queue of one that was gone.',
    read: () => tally.adopted,
  });
  metrics.counter({
    name: 'sluice_worker_taken_over_total',
    help: 'Generations of silent workers that this one queued again.',
    read: () => tally.takenOver,
  });
  metrics.counter({
    name: 'sluice_worker_cut_conversations_total',
    help: 'Attempts whose conversation left out older turns, since it would exceed `SLUICE_CONVERSATION_BYTES`.',
    read: () => tally.cutConversations,
  });
  metrics.counter({
    name: 'sluice_worker_long_waits_total',
    help: 'Times that an attempt had waited 30 s longer for NATS to take its outcome.',
    read: () => tally.longWaits,
  });
  metrics.counter({
    name: 'sluice_worker_foreign_messages_total',
    help: 'Messages from NATS that were dropped as none of ours, once per reader, by kind.',
    labels: ['kind'],
    read: () => tally.foreign,
  });
  metrics.counter({
    name: 'sluice_worker_ends_total',
    help: 'Ended attempts, by outcome; after `parked`, `requeued`, `lost` and `behind` the generation continues.',
    labels: ['reason'],
    read: () => tally.orgs.total.outcomes,
  });
  return metrics;
};
