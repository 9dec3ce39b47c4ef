import type { Bus } from '@sluice/bus';
import type { Clock, Logger, Tracing } from '@sluice/runtime';
import type { EdgeTally } from '../tally/edge-tally.ts';
import type { Flusher } from './flusher.ts';
import type { StoreWatch } from './store-watch.ts';
import type { Turns } from './turns.ts';

/** What every feed of an edge shares. */
export type FeedContext = {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly flusher: Flusher;
  readonly store: StoreWatch;
  /** for what every watched session reads at the same time, as after a reconnect */
  readonly turns: Turns;
  readonly tally: EdgeTally;
  readonly logger: Logger;
  readonly tracing: Tracing;
  /** this edge's name, as workers and other edges know it */
  readonly edge: string;
};
