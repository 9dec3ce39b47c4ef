/**
 * What the dashboards show: rows of panels, each with its queries. `dashboards.ts` makes Grafana's JSON of it.
 * Every query is asked of a real Prometheus that scrapes a real system in e2e/monitoring.test.ts.
 */

export type Query = { readonly expr: string; readonly legend?: string };
export type Unit = 'short' | 's' | 'bytes' | 'percentunit' | 'ops';
export type Panel = {
  readonly title: string;
  /** what a reader should make of it */
  readonly help: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
};
export type Row = { readonly title: string; readonly panels: readonly Panel[] };
export type Dashboard = { readonly uid: string; readonly title: string; readonly rows: readonly Row[] };

/** Grafana's own: at least four times what lies between two scrapes. */
const RATE = '$__rate_interval';
const rate = (metric: string, by = '', selector = ''): string =>
  `sum${by === '' ? '' : ` by (${by})`} (rate(${metric}${selector}[${RATE}]))`;
const quantile = (q: number, metric: string): string =>
  `histogram_quantile(${q}, sum by (le) (rate(${metric}_bucket[${RATE}])))`;
const quantiles = (metric: string): readonly Query[] =>
  [0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q, metric), legend: `p${q * 100}` }));

const processRow = (job: string): Row => ({
  title: 'Processes',
  panels: [
    {
      title: 'CPU',
      help: 'Cores. One process is one thread: near 1 it is the limit.',
      unit: 'short',
      queries: [
        {
          expr: `sum by (instance) (rate(process_cpu_seconds_total{job="${job}"}[${RATE}]))`,
          legend: '{{instance}}',
        },
      ],
    },
    {
      title: 'Memory',
      help: 'Resident memory.',
      unit: 'bytes',
      queries: [{ expr: `process_resident_memory_bytes{job="${job}"}`, legend: '{{instance}}' }],
    },
    {
      title: 'Event loop delay',
      help: 'How late the event loop ran, 99th percentile. Everything waits for it.',
      unit: 's',
      queries: [
        {
          expr: `sluice_${job.replace('sluice-', '')}_event_loop_delay_seconds{quantile="0.99"}`,
          legend: '{{instance}}',
        },
      ],
    },
    {
      title: 'File descriptors',
      help: 'Open descriptors of those allowed.',
      unit: 'percentunit',
      queries: [
        {
          expr: `process_open_fds{job="${job}"} / process_max_fds{job="${job}"}`,
          legend: '{{instance}}',
        },
      ],
    },
  ],
});

const overview: Dashboard = {
  uid: 'sluice-overview',
  title: 'Sluice: overview',
  rows: [
    {
      title: 'What users get',
      panels: [
        {
          title: 'Tokens a second',
          help: 'Taken from engines, and sent to viewers: several viewers of one answer count several times.',
          unit: 'ops',
          queries: [
            { expr: rate('sluice_worker_tokens_total'), legend: 'generated' },
            { expr: rate('sluice_edge_tokens_out_total'), legend: 'delivered' },
          ],
        },
        {
          title: 'First token',
          help: 'From the claim to the first token of the engine.',
          unit: 's',
          queries: quantiles('gen_ai_server_time_to_first_token_seconds'),
        },
        {
          title: 'Wait for a slot',
          help: 'From the prompt to its claim. It rises when slots are short.',
          unit: 's',
          queries: quantiles('sluice_worker_queue_wait_seconds'),
        },
        {
          title: 'Delivery',
          help: 'From a record being made to its frame being written. Needs clocks in step.',
          unit: 's',
          queries: quantiles('sluice_edge_delivery_seconds'),
        },
      ],
    },
    {
      title: 'What goes wrong',
      panels: [
        {
          title: 'How generations end',
          help: 'Ended attempts a second, by outcome.',
          unit: 'ops',
          queries: [{ expr: rate('sluice_worker_ends_total', 'reason'), legend: '{{reason}}' }],
        },
        {
          title: 'Errors told to clients',
          help: 'By code.',
          unit: 'ops',
          queries: [{ expr: rate('sluice_edge_errors_total', 'code'), legend: '{{code}}' }],
        },
        {
          title: 'HTTP answers',
          help: 'By status.',
          unit: 'ops',
          queries: [{ expr: rate('sluice_edge_requests_total', 'status'), legend: '{{status}}' }],
        },
        {
          title: 'Storage',
          help: 'How full each stream is. From 0.8 on prompts are refused.',
          unit: 'percentunit',
          queries: [{ expr: 'max by (stream) (sluice_edge_storage_full_ratio)', legend: '{{stream}}' }],
        },
      ],
    },
    {
      title: 'What runs',
      panels: [
        {
          title: 'Slots',
          help: 'Generations that run, and that may run at once.',
          unit: 'short',
          queries: [
            { expr: 'sum(sluice_worker_running_generations)', legend: 'running' },
            { expr: 'sum(sluice_worker_slots)', legend: 'slots' },
          ],
        },
        {
          title: 'Connections',
          help: 'By what carries them.',
          unit: 'short',
          queries: [{ expr: 'sum by (transport) (sluice_edge_connections)', legend: '{{transport}}' }],
        },
        {
          title: 'Tokens saved',
          help: 'Not generated, since somebody stopped or left. How many were to come is an estimate.',
          unit: 'ops',
          queries: [{ expr: rate('sluice_worker_saved_tokens_total'), legend: 'saved' }],
        },
        {
          title: 'Versions',
          help: 'Processes of each version.',
          unit: 'short',
          queries: [
            { expr: 'count by (version) (sluice_edge_build_info)', legend: 'edge {{version}}' },
            { expr: 'count by (version) (sluice_worker_build_info)', legend: 'worker {{version}}' },
          ],
        },
      ],
    },
  ],
};

const edge: Dashboard = {
  uid: 'sluice-edge',
  title: 'Sluice: edges',
  rows: [
    {
      title: 'Load',
      panels: [
        {
          title: 'Connections',
          help: 'Open connections of each edge.',
          unit: 'short',
          queries: [
            { expr: 'sum by (instance) (sluice_edge_connections)', legend: '{{instance}}' },
            { expr: 'sum(sluice_edge_strangers)', legend: 'not signed in' },
          ],
        },
        {
          title: 'Sessions and viewers',
          help: 'Sessions with a feed, and attachments to them.',
          unit: 'short',
          queries: [
            { expr: 'sum(sluice_edge_sessions)', legend: 'sessions' },
            { expr: 'sum(sluice_edge_viewers)', legend: 'viewers' },
          ],
        },
        {
          title: 'Tokens',
          help: 'In: once per feed. Out: once per viewer.',
          unit: 'ops',
          queries: [
            { expr: rate('sluice_edge_tokens_in_total'), legend: 'in' },
            { expr: rate('sluice_edge_tokens_out_total'), legend: 'out' },
          ],
        },
        {
          title: 'Tokens in a frame',
          help: 'More tokens in a frame are fewer writes.',
          unit: 'short',
          queries: [
            { expr: `${rate('sluice_edge_tokens_out_total')} / ${rate('sluice_edge_frames_total')}` },
          ],
        },
      ],
    },
    {
      title: 'Resume and flow control',
      panels: [
        {
          title: 'Viewers that came back',
          help: 'By where the missed tokens came from.',
          unit: 'ops',
          queries: [{ expr: rate('sluice_edge_resumes_total', 'source'), legend: '{{source}}' }],
        },
        {
          title: 'Replayed tokens',
          help: 'Stored before their viewer attached.',
          unit: 'ops',
          queries: [{ expr: rate('sluice_edge_replayed_tokens_total') }],
        },
        {
          title: 'Acks',
          help: 'From viewers, and forwarded to workers.',
          unit: 'ops',
          queries: [
            { expr: rate('sluice_edge_acks_total'), legend: 'from viewers' },
            { expr: rate('sluice_edge_control_acks_total'), legend: 'to workers' },
          ],
        },
        {
          title: 'Blocked viewers and healed holes',
          help: 'Windows used up or sockets full; live messages that were read from the log instead.',
          unit: 'ops',
          queries: [
            { expr: rate('sluice_edge_blocked_viewers_total'), legend: 'blocked' },
            { expr: rate('sluice_edge_healed_holes_total'), legend: 'healed' },
          ],
        },
      ],
    },
    processRow('sluice-edge'),
  ],
};

const worker: Dashboard = {
  uid: 'sluice-worker',
  title: 'Sluice: workers',
  rows: [
    {
      title: 'Load',
      panels: [
        {
          title: 'Slots in use',
          help: 'Of each worker.',
          unit: 'percentunit',
          queries: [
            {
              expr: 'sluice_worker_running_generations / sluice_worker_slots',
              legend: '{{instance}}',
            },
          ],
        },
        {
          title: 'Time per token',
          help: 'Mean of a run, holds left out.',
          unit: 's',
          queries: quantiles('gen_ai_server_time_per_output_token_seconds'),
        },
        {
          title: 'Tokens and records',
          help: 'More tokens in a record are fewer writes.',
          unit: 'ops',
          queries: [
            { expr: rate('sluice_worker_tokens_total'), legend: 'tokens' },
            { expr: rate('sluice_worker_records_total'), legend: 'records' },
          ],
        },
        {
          title: 'Jobs',
          help: 'Taken, by queue; passed on, since no slot was free.',
          unit: 'ops',
          queries: [
            { expr: rate('sluice_worker_jobs_total', 'queue'), legend: '{{queue}}' },
            { expr: rate('sluice_worker_passed_on_jobs_total'), legend: 'passed on' },
          ],
        },
      ],
    },
    {
      title: 'GPU time saved',
      panels: [
        {
          title: 'Prompt tokens by cache',
          help: 'Whether the engine’s KV cache had them, as far as it says so.',
          unit: 'ops',
          queries: [{ expr: rate('sluice_worker_prompt_tokens_total', 'cache'), legend: '{{cache}}' }],
        },
        {
          title: 'From cancel to the engine letting go',
          help: '99th percentile.',
          unit: 's',
          queries: [{ expr: quantile(0.99, 'sluice_worker_abort_seconds'), legend: 'p99' }],
        },
        {
          title: 'Runs held for viewers',
          help: 'Seconds of hold a second: runs that wait for acks.',
          unit: 'short',
          queries: [{ expr: rate('sluice_worker_paused_seconds_total') }],
        },
        {
          title: 'Taken over',
          help: 'Generations of silent workers that others continue; runs stopped since a newer attempt owns their log.',
          unit: 'ops',
          queries: [
            { expr: rate('sluice_worker_taken_over_total'), legend: 'taken over' },
            { expr: rate('sluice_worker_fenced_total'), legend: 'fenced' },
          ],
        },
      ],
    },
    processRow('sluice-worker'),
  ],
};

export const DASHBOARDS: readonly Dashboard[] = [overview, edge, worker];
