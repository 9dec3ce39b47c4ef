import type { Bus } from '@sluice/bus';
import type { Clock, Logger } from '@sluice/runtime';
import type { Figures } from '../tally/figures.ts';
import type { Flusher } from './flusher.ts';
import type { EdgeMetrics } from '../tally/metrics.ts';

/** What every feed of an edge shares. */
export type FeedContext = {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly flusher: Flusher;
  readonly metrics: EdgeMetrics;
  readonly figures: Figures;
  readonly logger: Logger;
  /** this edge's name, as workers and other edges know it */
  readonly edge: string;
};
