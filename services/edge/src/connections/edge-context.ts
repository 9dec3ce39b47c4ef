import type { Limits, Org } from '@sluice/protocol';
import type { AdmissionDeps } from '../requests/admission.ts';
import type { RevocationWatch } from '../auth/revocation-watch.ts';
import type { Verifier } from '../auth/verifier.ts';
import type { EdgeStats } from '../tally/edge-stats.ts';
import type { FeedContext } from '../feeds/feed-context.ts';
import type { Hub } from '../feeds/hub.ts';
import type { TokenPrice } from '../usage/usage-figures.ts';
import type { UsageSums } from '../usage/usage-sums.ts';
import type { BodyRoom } from './body-room.ts';
import type { OpenConnections } from './open-connections.ts';
import type { PublicSockets } from '../strangers/public-sockets.ts';
import type { SignalBudget } from './signal-budget.ts';
import type { UserLimits } from './user-limits.ts';

/** What every connection of an edge shares. */
export type EdgeContext = FeedContext & {
  readonly hub: Hub;
  readonly verify: Verifier;
  readonly revoked: RevocationWatch;
  readonly connections: OpenConnections;
  readonly users: UserLimits;
  readonly publicSockets: PublicSockets;
  readonly signals: SignalBudget;
  readonly admission: AdmissionDeps;
  readonly stats: EdgeStats;
  /** what the ledger adds up to, and what its tokens cost an org */
  readonly usage: { readonly sums: UsageSums; readonly priceOf: (org: Org) => TokenPrice | undefined };
  readonly limits: Limits;
  readonly bodyRoom: BodyRoom;
  /** the id of a deleted session is taken for this long, ms */
  readonly tombstoneMs: number;
  /** aborted once the edge goes away: what waits is answered then */
  readonly leaving: AbortSignal;
  readonly heartbeatMs: number;
  readonly authTimeoutMs: number;
};
