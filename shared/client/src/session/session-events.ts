import type { Item, ViewerRef } from '@sluice/protocol';
import type { GenerationStatus } from '../generation/track.ts';
import type { Delta, GenerationEnd } from '../generation/transcript.ts';

/** Who watches: `viewers` is the count now, `joined` or `left` what changed it, or `present` everybody. */
export type Presence = {
  readonly viewers: number;
  readonly joined?: ViewerRef;
  readonly left?: ViewerRef;
  /** told first, and when many changed at once; never in a crowd */
  readonly present?: readonly ViewerRef[];
};

type OfGeneration = { readonly generation: string };

export type SessionEvents = {
  /** an item was created or changed; with its text as far as it is known */
  readonly item: Item;
  readonly presence: Presence;
  readonly signal: { readonly user: string; readonly data: unknown };
  readonly delta: Delta & OfGeneration;
  readonly reset: OfGeneration & { readonly epoch: number; readonly reason: string };
  readonly state: OfGeneration & { readonly state: GenerationStatus };
  readonly end: GenerationEnd & OfGeneration;
  /** something about this session went wrong that no promise reports */
  readonly error: Error;
};
