import type { Limits } from '@sluice/protocol';
import type { AdmissionDeps } from './admission.ts';
import type { Verifier } from './auth/verifier.ts';
import type { FeedContext } from './feed-context.ts';
import type { Hub } from './hub.ts';
import type { UserLimits } from './user-limits.ts';

/** What every connection of an edge shares. */
export type EdgeContext = FeedContext & {
  readonly hub: Hub;
  readonly verify: Verifier;
  readonly users: UserLimits;
  readonly admission: AdmissionDeps;
  readonly limits: Limits;
  readonly heartbeatMs: number;
  readonly authTimeoutMs: number;
};
