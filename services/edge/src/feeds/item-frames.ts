import { toItem } from '@sluice/bus';
import type { ErasedItem, ItemPage, StoredItem } from '@sluice/bus';
import { withoutText } from '@sluice/protocol';
import { encodeFrame } from './frames.ts';
import type { Frame } from './frames.ts';
import type { PresenceRoster } from './presence-roster.ts';

/** An item as it is announced: its text comes as deltas. */
export const itemFrame = (session: string, stored: StoredItem): Frame => {
  const item = withoutText(toItem(stored));
  return encodeFrame({ type: 'item', session, rev: stored.rev, item });
};

export const removedFrame = (session: string, { rev, id }: ErasedItem): Frame =>
  encodeFrame({ type: 'removed', session, rev, item: id });

export type List = {
  readonly session: string;
  readonly page: ItemPage;
  /** it takes the place of all that its viewer has */
  readonly isReset: boolean;
  readonly title: string | undefined;
  readonly store: string;
  readonly roster: PresenceRoster | undefined;
};

/** A page of items as a viewer gets it: the answer to `subscribe`. */
export const listFrame = ({ session, page, isReset, title, store, roster }: List): Frame => {
  const present = roster?.present;
  return encodeFrame({
    type: 'subscribed',
    session,
    rev: page.rev,
    store,
    ...(isReset ? { reset: true } : {}),
    viewers: roster?.count ?? 0,
    ...(present === undefined ? {} : { present }),
    ...(title === undefined ? {} : { title }),
    items: page.items.map(toItem),
    ...(isReset || page.erased.length === 0 ? {} : { removed: page.erased.map(({ id }) => id) }),
    ...(page.more ? { more: true } : {}),
  });
};
