import type { Item, ViewerRef } from '@sluice/protocol';
import type { SessionStateEvent, TextEvents } from '../generation/track.ts';

/** Who watches: `viewers` is the count now, `joined` or `left` what changed it, or `present` everybody. */
export type PresenceEvent = {
  readonly viewers: number;
  readonly joined?: ViewerRef;
  readonly left?: ViewerRef;
  /** told first, and when many changed at once; never in a crowd */
  readonly present?: readonly ViewerRef[];
};

export type SessionEvents = TextEvents & {
  /** an item was created or changed; with its text as far as it is known */
  readonly item: Item;
  /** an item was deleted */
  readonly removed: { readonly item: string };
  readonly presence: PresenceEvent;
  readonly signal: { readonly user: string; readonly data: unknown };
  readonly state: SessionStateEvent;
  /** something about this session went wrong that no promise reports */
  readonly error: Error;
};
