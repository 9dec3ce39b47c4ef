import { createMetrics } from '@sluice/runtime';
import type { Metrics } from '@sluice/runtime';
import type { EdgeTally } from './edge-tally.ts';

type Load = {
  sessions(): number;
  viewers(): number;
  strangers(): number;
  fullness(): ReadonlyMap<string, number>;
  /** by model */
  waitingJobs(): ReadonlyMap<string, number>;
};

/** What an edge shows to Prometheus; see docs/OPERATIONS.md for how to read it. */
export const createEdgeMetrics = (tally: EdgeTally, load: Load): Metrics => {
  const metrics = createMetrics({ service: 'edge' });
  metrics.gauge({
    name: 'sluice_edge_connections',
    help: 'Open connections, by what carries them.',
    labels: ['transport'],
    read: () => tally.connections,
  });
  metrics.gauge({
    name: 'sluice_edge_strangers',
    help: 'Open connections whose client has not signed in.',
    read: load.strangers,
  });
  metrics.counter({
    name: 'sluice_edge_turned_away_total',
    help: 'Connections and requests of strangers that were cut or refused unread, by reason.',
    labels: ['reason'],
    read: () => tally.turnedAway,
  });
  metrics.gauge({
    name: 'sluice_edge_sessions',
    help: 'Sessions with a feed.',
    read: load.sessions,
  });
  metrics.gauge({
    name: 'sluice_edge_viewers',
    help: 'Attachments of connections to sessions.',
    read: load.viewers,
  });
  metrics.gauge({
    name: 'sluice_edge_storage_full_ratio',
    help: 'How full each stream is, 0 to 1, as last read; no new prompt from 0.8 on.',
    labels: ['stream'],
    read: load.fullness,
  });
  metrics.gauge({
    name: 'sluice_jobs_waiting',
    help: 'Generations in the queues that no worker runs, by model. Every edge tells the same: take the largest.',
    labels: ['model'],
    read: load.waitingJobs,
  });
  metrics.counter({
    name: 'sluice_edge_tokens_in_total',
    help: 'Tokens received from the log, once per feed.',
    read: () => tally.tokensIn,
  });
  metrics.counter({
    name: 'sluice_edge_tokens_out_total',
    help: 'Tokens sent to viewers, once per viewer.',
    read: () => tally.orgs.total.delivered,
  });
  metrics.counter({
    name: 'sluice_edge_frames_total',
    help: 'Frames with tokens sent to viewers, once per viewer.',
    read: () => tally.frames,
  });
  metrics.histogram({
    name: 'sluice_edge_delivery_seconds',
    help: 'Time from a record being made to its frame being written; needs clocks in step.',
    read: () => tally.orgs.total.delivery,
  });
  metrics.counter({
    name: 'sluice_edge_resumes_total',
    help: 'Viewers that came back with a position, by where the missed tokens came from.',
    labels: ['source'],
    read: () => tally.resumes,
  });
  metrics.counter({
    name: 'sluice_edge_replayed_tokens_total',
    help: 'Tokens that were stored before their viewer attached.',
    read: () => tally.replayed,
  });
  metrics.counter({
    name: 'sluice_edge_acks_total',
    help: 'Acks that moved a viewer’s position; repeats do not count.',
    read: () => tally.orgs.total.acks,
  });
  metrics.counter({
    name: 'sluice_edge_control_acks_total',
    help: 'Acks forwarded to workers.',
    read: () => tally.controlAcks,
  });
  metrics.counter({
    name: 'sluice_edge_blocked_viewers_total',
    help: 'Times a viewer used up its window or its socket was full.',
    read: () => tally.blocked,
  });
  metrics.counter({
    name: 'sluice_edge_healed_holes_total',
    help: 'Holes in the live stream that were filled from the log.',
    read: () => tally.healed,
  });
  metrics.counter({
    name: 'sluice_edge_tail_checks_total',
    help: 'Reads of the head of a silent generation, by what they found.',
    labels: ['found'],
    read: () => tally.tailChecks,
  });
  metrics.counter({
    name: 'sluice_edge_prompts_total',
    help: 'Prompts, by whether they started a generation.',
    labels: ['created'],
    read: () => tally.prompts,
  });
  metrics.counter({
    name: 'sluice_edge_requests_total',
    help: 'HTTP requests answered, by method, route and status.',
    labels: ['method', 'route', 'status'],
    read: () => tally.requests,
  });
  metrics.counter({
    name: 'sluice_edge_errors_total',
    help: 'Errors told to clients, by code.',
    labels: ['code'],
    read: () => tally.orgs.total.errors,
  });
  metrics.counter({
    name: 'sluice_edge_foreign_messages_total',
    help: 'Messages from NATS that were dropped as none of ours, once per reader, by kind.',
    labels: ['kind'],
    read: () => tally.foreign,
  });
  metrics.counter({
    name: 'sluice_edge_closes_total',
    help: 'Connections closed by this edge, by close code.',
    labels: ['code'],
    read: () => tally.closes,
  });
  return metrics;
};
