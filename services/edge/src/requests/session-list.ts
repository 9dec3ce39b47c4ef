import { isTombstone } from '@sluice/bus';
import type { Bus, ItemBody, SessionCard } from '@sluice/bus';
import type { SessionKey } from '@sluice/protocol';
import { reaches } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';

/** A session as it is listed. */
export type ListedSession = SessionCard & {
  readonly session: string;
  /** undefined: they are not counted at the moment */
  readonly items?: number;
  /** the beginning of what was said last */
  readonly preview?: string;
};

export type SessionList = {
  readonly sessions: readonly ListedSession[];
  /** what to ask for the next ones with; undefined: there are none */
  readonly next: number | undefined;
};

export type ListRequest = {
  readonly grant: Grant;
  /** only those that this user created */
  readonly user?: string | undefined;
  /** `next` of the list before */
  readonly after?: number | undefined;
  readonly limit: number;
};

/** A list may be shorter than was asked, or empty: nobody searches all of an org in one request. */
const MAX_PAGES = 20;
const MAX_PREVIEW_CHARS = 200;

/** Sessions of an org that the grant reaches, newest activity first. @throws BusUnavailableError */
export const listSessions = async (
  { grant, user, after, limit }: ListRequest,
  bus: Bus,
): Promise<SessionList> => {
  const found: { readonly key: SessionKey; readonly card: SessionCard }[] = [];
  let next: number | undefined = after ?? Infinity;
  for (let pages = 0; pages < MAX_PAGES && next !== undefined && found.length < limit; pages += 1) {
    const page = await bus.cards.list(grant.org, next);
    ({ next } = page);
    for (const { key, rev, card } of page.cards) {
      if (isTombstone(card) || !reaches(grant, key.session)) continue;
      if (user !== undefined && card.user !== user) continue;
      if (found.length === limit) return { sessions: await described(found, bus), next };
      found.push({ key, card });
      // Cut in the middle of a page: the next list begins behind this one.
      if (found.length === limit && rev !== page.cards.at(-1)?.rev) next = rev;
    }
  }
  return { sessions: await described(found, bus), next };
};

const described = (
  found: readonly { readonly key: SessionKey; readonly card: SessionCard }[],
  bus: Bus,
): Promise<readonly ListedSession[]> =>
  Promise.all(
    found.map(async ({ key, card }) => {
      const [items, last] = await Promise.all([
        bus.counters.read({ ...key, unit: 'items' }),
        newestItem(key, bus),
      ]);
      const preview = last === undefined ? '' : previewOf(last);
      return {
        session: key.session,
        ...card,
        ...(items === undefined ? {} : { items: Math.max(0, items.value) }),
        ...(preview === '' ? {} : { preview }),
      };
    }),
  );

const newestItem = async (key: SessionKey, { sessions }: Bus): Promise<ItemBody | undefined> => {
  const newest = await sessions.newestRev(key);
  const { items } = newest === 0 ? { items: [] } : await sessions.items(key, newest - 1);
  return items.at(-1)?.item;
};

const previewOf = (item: ItemBody): string => {
  const text = item.kind === 'message' ? item.text : (item.text ?? item.preview ?? item.input);
  return Array.from(text.slice(0, 2 * MAX_PREVIEW_CHARS))
    .slice(0, MAX_PREVIEW_CHARS)
    .join('');
};
