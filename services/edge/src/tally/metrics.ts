import { createMetrics } from '@sluice/runtime';
import type { Metrics } from '@sluice/runtime';

/** What an edge counts. One instance per edge; see docs/OPERATIONS.md for how to read them. */
export type EdgeMetrics = ReturnType<typeof createEdgeMetrics>;

type Load = { sessions(): number; viewers(): number };

export const createEdgeMetrics = (load: Load, metrics: Metrics = createMetrics({ service: 'edge' })) => ({
  registry: metrics.registry,
  close: () => metrics.close(),
  connections: metrics.gauge({
    name: 'sluice_edge_connections',
    help: 'Open connections, by what carries them.',
    labels: ['transport'],
  }),
  sessions: metrics.gauge({
    name: 'sluice_edge_sessions',
    help: 'Sessions with a feed.',
    read: load.sessions,
  }),
  viewers: metrics.gauge({
    name: 'sluice_edge_viewers',
    help: 'Attachments of connections to sessions.',
    read: load.viewers,
  }),
  tokensIn: metrics.tally({
    name: 'sluice_edge_tokens_in_total',
    help: 'Tokens received from the log, once per feed.',
  }),
  tokensOut: metrics.tally({
    name: 'sluice_edge_tokens_out_total',
    help: 'Tokens sent to viewers, once per viewer.',
  }),
  frames: metrics.tally({ name: 'sluice_edge_frames_total', help: 'Frames sent to viewers.' }),
  delivery: metrics.histogram({
    name: 'sluice_edge_delivery_seconds',
    help: 'Time from a record being made to its frame being written; needs clocks in step.',
  }),
  resumes: metrics.counter({
    name: 'sluice_edge_resumes_total',
    help: 'Viewers that came back with a position, by where the missed tokens came from.',
    labels: ['source'],
  }),
  replayed: metrics.tally({
    name: 'sluice_edge_replayed_tokens_total',
    help: 'Tokens that were stored before their viewer attached.',
  }),
  acks: metrics.tally({ name: 'sluice_edge_acks_total', help: 'Ack frames received.' }),
  governed: metrics.tally({
    name: 'sluice_edge_control_acks_total',
    help: 'Acks forwarded to workers.',
  }),
  blocked: metrics.tally({
    name: 'sluice_edge_blocked_viewers_total',
    help: 'Times a viewer used up its window or its socket was full.',
  }),
  healed: metrics.tally({
    name: 'sluice_edge_healed_holes_total',
    help: 'Holes in the live stream that were filled from the log.',
  }),
  tailChecks: metrics.counter({
    name: 'sluice_edge_tail_checks_total',
    help: 'Reads of the head of a silent generation, by what they found.',
    labels: ['found'],
  }),
  prompts: metrics.counter({
    name: 'sluice_edge_prompts_total',
    help: 'Prompts, by whether they started a generation.',
    labels: ['created'],
  }),
  requests: metrics.counter({
    name: 'sluice_edge_requests_total',
    help: 'HTTP requests answered, by method, route and status.',
    labels: ['method', 'route', 'status'],
  }),
  errors: metrics.counter({
    name: 'sluice_edge_errors_total',
    help: 'Errors told to clients, by code.',
    labels: ['code'],
  }),
  closes: metrics.counter({
    name: 'sluice_edge_closes_total',
    help: 'Connections closed by this edge, by close code.',
    labels: ['code'],
  }),
});
