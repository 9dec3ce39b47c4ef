import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

/** A message that was dropped because it is none of ours; `reason` holds nothing of its content. */
export type Foreign = { readonly kind: string; readonly reason: string };

export type ForeignLogDeps = {
  readonly counts: { add(kind: string): void };
  readonly logger: Logger;
  readonly clock: Clock;
};

/** Each kind is logged at most this often, ms: whoever sends one such message sends thousands. */
const LOG_INTERVAL_MS = 60_000;

/** Counts every foreign message, and logs one of each kind a minute with how many came since the last. */
export const foreignLog = ({ counts, logger, clock }: ForeignLogDeps): ((message: Foreign) => void) => {
  const seen = new Map<string, { loggedAt: number; count: number }>();
  return ({ kind, reason }) => {
    counts.add(kind);
    const now = clock.now();
    const of = seen.get(kind) ?? { loggedAt: -Infinity, count: 0 };
    seen.set(kind, of);
    of.count += 1;
    if (now - of.loggedAt < LOG_INTERVAL_MS) return;
    logger.warn('foreign_message', { kind, reason, count: of.count });
    of.loggedAt = now;
    of.count = 0;
  };
};
