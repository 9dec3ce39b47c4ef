import type { EngineError } from '@sluice/core';
import type { End, GenerationError } from '@sluice/protocol';

/** Why the engine was told to stop before its own end, and when. */
export type Stop = {
  readonly type:
    'cancelled' | 'abandoned' | 'park' | 'yield' | 'drain' | 'overdue' | 'too_long' | 'unstorable';
  readonly at: number;
};

/** Weakest first. What somebody asked for, and was told is done, holds even where the log takes no more. */
const STRENGTH: readonly Stop['type'][] = [
  'park',
  'yield',
  'drain',
  'overdue',
  'too_long',
  'unstorable',
  'abandoned',
  'cancelled',
];

/** Of several stops the strongest counts: an end over a pause, and what somebody asked for over the rest. */
export const isStronger = (type: Stop['type'], other: Stop['type']): boolean =>
  STRENGTH.indexOf(type) > STRENGTH.indexOf(other);

export const OVERDUE: End = {
  reason: 'error',
  error: { code: 'run_too_long', message: 'the run took longer than its tokens are kept' },
};

export const TOO_LARGE: End = {
  reason: 'error',
  error: { code: 'storage_limit', message: 'the answer is larger than the session store takes' },
};

export const errorOf = ({ code, message, upstream }: EngineError): GenerationError => ({
  ...{ code, message },
  ...(upstream === undefined ? {} : { upstream }),
});
