import type { Limits } from '@sluice/protocol';
import type { AdmissionDeps } from '../requests/admission.ts';
import type { Verifier } from '../auth/verifier.ts';
import type { EdgeStats } from '../tally/edge-stats.ts';
import type { FeedContext } from '../feeds/feed-context.ts';
import type { Hub } from '../feeds/hub.ts';
import type { BodyRoom } from './body-room.ts';
import type { OpenConnections } from './open-connections.ts';
import type { SignalBudget } from './signal-budget.ts';
import type { UserLimits } from './user-limits.ts';

/** What every connection of an edge shares. */
export type EdgeContext = FeedContext & {
  readonly hub: Hub;
  readonly verify: Verifier;
  readonly connections: OpenConnections;
  readonly users: UserLimits;
  readonly signals: SignalBudget;
  readonly admission: AdmissionDeps;
  readonly stats: EdgeStats;
  readonly limits: Limits;
  readonly bodyRoom: BodyRoom;
  /** aborted once the edge goes away: what waits is answered then */
  readonly leaving: AbortSignal;
  readonly heartbeatMs: number;
  readonly authTimeoutMs: number;
};
