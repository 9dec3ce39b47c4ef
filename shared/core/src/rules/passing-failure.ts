import type { EndReason, GenerationError } from '@sluice/protocol';

/** The engine's server was busy, or not there: another run may be spared that. */
const PASSING: ReadonlySet<string> = new Set(['upstream_overloaded', 'upstream_unavailable']);

/** How a run ended, and after how many tokens. */
type Ended = {
  readonly reason?: EndReason | undefined;
  readonly error?: GenerationError | undefined;
  readonly seq: number;
};

/**
 * Whether a run has failed before its first token for a reason that passes. Nobody has seen anything of it, so whoever
 * asks the same again is not told this failure for good.
 */
export const hasFailedInPassing = ({ reason, error, seq }: Ended): boolean =>
  reason === 'error' && seq === 0 && PASSING.has(error?.code ?? '');
