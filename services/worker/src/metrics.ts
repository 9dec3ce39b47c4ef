import { createMetrics } from '@sluice/runtime';
import type { Metrics } from '@sluice/runtime';

/** What a worker counts. One instance per worker; see docs/OPERATIONS.md for how to read them. */
export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>;

type Load = { slots(): number; running(): number };

export const createWorkerMetrics = (load: Load, metrics: Metrics = createMetrics({ service: 'worker' })) => ({
  registry: metrics.registry,
  close: () => metrics.close(),
  slots: metrics.gauge({
    name: 'sluice_worker_slots',
    help: 'Generations it may run at once.',
    read: load.slots,
  }),
  running: metrics.gauge({
    name: 'sluice_worker_running_generations',
    help: 'Generations it runs now.',
    read: load.running,
  }),
  tokens: metrics.tally({ name: 'sluice_worker_tokens_total', help: 'Tokens taken from the engine.' }),
  records: metrics.tally({ name: 'sluice_worker_records_total', help: 'Token records stored.' }),
  queueWait: metrics.histogram({
    name: 'sluice_worker_queue_wait_seconds',
    help: 'Time from the prompt to its claim.',
  }),
  firstToken: metrics.histogram({
    name: 'gen_ai_server_time_to_first_token_seconds',
    help: 'Time from the claim to the first token from the engine.',
  }),
  timePerToken: metrics.histogram({
    name: 'gen_ai_server_time_per_output_token_seconds',
    help: 'Mean time per token of a run, holds left out.',
  }),
  abort: metrics.histogram({
    name: 'sluice_worker_abort_seconds',
    help: 'Time from a cancel to the engine having let go.',
  }),
  paused: metrics.counter({
    name: 'sluice_worker_paused_seconds_total',
    help: 'Time runs were held because viewers did not ack.',
  }),
  saved: metrics.counter({
    name: 'sluice_worker_saved_tokens_total',
    help: 'Tokens not generated because a run was cancelled or abandoned; how many were to come is an estimate.',
  }),
  fenced: metrics.counter({
    name: 'sluice_worker_fenced_total',
    help: 'Runs stopped because a newer attempt owns their log.',
  }),
  promptTokens: metrics.counter({
    name: 'sluice_worker_prompt_tokens_total',
    help: 'Prompt tokens, by whether the engine’s KV cache had them, as far as it says so.',
    labels: ['cache'],
  }),
  jobs: metrics.counter({
    name: 'sluice_worker_jobs_total',
    help: 'Jobs taken, by queue: `own` were placed here by their session, `any` were not.',
    labels: ['queue'],
  }),
  passedOn: metrics.counter({
    name: 'sluice_worker_passed_on_jobs_total',
    help: 'Jobs placed here that had to go to another worker, since no slot was free.',
  }),
  adopted: metrics.counter({
    name: 'sluice_worker_adopted_jobs_total',
    help: 'Jobs that this worker took out of the own queue of one that was gone.',
  }),
  takenOver: metrics.counter({
    name: 'sluice_worker_taken_over_total',
    help: 'Generations of silent workers that this one queued again.',
  }),
  ends: metrics.counter({
    name: 'sluice_worker_ends_total',
    help: 'Runs ended, by reason; `fenced` and `given_up` are runs another worker ends.',
    labels: ['reason'],
  }),
});
