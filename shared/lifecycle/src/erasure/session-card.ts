import { isTombstone } from '@sluice/bus';
import type { Bus, ItemBody, SessionCard, StoredCard } from '@sluice/bus';
import { SluiceError } from '@sluice/protocol';
import type { SessionKey } from '@sluice/protocol';

/** A session's card as it is now, and where: `rev` 0 says that it is not stored. */
export type KnownCard = { readonly rev: number; readonly card: SessionCard };

const deleted = (): SluiceError => new SluiceError('session_deleted', 'this session was deleted');

/** @throws SluiceError session_deleted */
export const cardOf = (stored: StoredCard | undefined): KnownCard | undefined => {
  if (stored === undefined) return undefined;
  const { rev, card } = stored;
  if (isTombstone(card)) throw deleted();
  return { rev, card };
};

/** @returns the card, where it is stored. @throws SluiceError session_deleted; BusUnavailableError */
export const checkNotDeleted = async ({ cards }: Bus, key: SessionKey): Promise<KnownCard | undefined> =>
  cardOf(await cards.read(key));

/**
 * The card of a session, made from its items where it has none: it is of an earlier release, or an edge died before it
 * wrote the card.
 * @returns undefined: there is no such session
 * @throws SluiceError session_deleted; BusUnavailableError
 */
export const readCard = async (bus: Bus, key: SessionKey): Promise<KnownCard | undefined> => {
  const known = cardOf(await bus.cards.read(key));
  if (known !== undefined) return known;
  const items: ItemBody[] = [];
  for (let rev = 0, more = true; more;) {
    const page = await bus.sessions.items(key, rev);
    items.push(...page.items.map(({ item }) => item));
    ({ rev, more } = page);
  }
  const [first] = items.toSorted((a, b) => a.createdAt - b.createdAt);
  if (first === undefined) return undefined;
  const { user, createdAt } = first;
  const activeAt = Math.max(...items.map((item) => item.createdAt));
  return { rev: 0, card: { user, createdAt, activeAt } };
};

/**
 * Writes what the card becomes.
 * @param change throws to refuse; undefined: as it is
 * @param seen the card as it was a moment ago: what is written in its place needs no read
 * @throws SluiceError not_found, session_deleted, and what `change` throws; BusUnavailableError, BusRefusedError
 */
export const changeCard = async (
  bus: Bus,
  key: SessionKey,
  change: (card: SessionCard, isStored: boolean) => SessionCard | undefined,
  seen?: KnownCard,
): Promise<SessionCard> => {
  for (let before = seen; ; before = undefined) {
    const known = before ?? (await readCard(bus, key));
    if (known === undefined) throw new SluiceError('not_found', 'no such session');
    const next = change(known.card, known.rev > 0);
    // Without a write nothing tells whether the session was deleted since it was seen.
    if (next === undefined && before === undefined) return known.card;
    if (next !== undefined && (await bus.cards.write(key, next, { rev: known.rev })) !== undefined)
      return next;
  }
};

/** Activities that follow each other faster are one: listings are by the second, ms. */
const SAME_ACTIVITY_MS = 1_000;

/**
 * To be called once an item is stored: its session was active. Where the session was deleted meanwhile, whoever sweeps
 * is told that there is something to erase: either the deletion listed the item, or this finds the tombstone.
 * @param seen the card before the item was stored, or what it becomes where there was none and no item either
 * @throws BusUnavailableError, BusRefusedError
 */
export const noteActivity = async (
  bus: Bus,
  key: SessionKey,
  at: number,
  seen?: KnownCard,
): Promise<void> => {
  const active = (card: SessionCard, isStored: boolean): SessionCard | undefined =>
    isStored && at < card.activeAt + SAME_ACTIVITY_MS
      ? undefined
      : { ...card, activeAt: Math.max(card.activeAt, at) };
  try {
    await changeCard(bus, key, active, seen);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    if (error.code === 'session_deleted') await bus.cards.mark(key);
  }
};

/** As {@link noteActivity} for whoever only completes what an edge began. @throws BusUnavailableError, BusRefusedError */
export const markIfDeleted = async ({ cards }: Bus, key: SessionKey): Promise<void> => {
  const stored = await cards.read(key);
  if (stored !== undefined && isTombstone(stored.card)) await cards.mark(key);
};

export type Renaming = {
  /** undefined: none any more */
  readonly title: string | undefined;
  /** throws SluiceError where this session may not be renamed */
  readonly authorize: (card: SessionCard) => void;
  /** ms since the Unix epoch */
  readonly now: number;
};

/** @throws SluiceError not_found, session_deleted, and what `authorize` throws; BusUnavailableError, BusRefusedError */
export const renameSession = (
  bus: Bus,
  key: SessionKey,
  { title, authorize, now }: Renaming,
): Promise<SessionCard> =>
  changeCard(bus, key, (card) => {
    authorize(card);
    if (card.title === title) return undefined;
    const { title: _title, ...rest } = card;
    return { ...rest, activeAt: now, ...(title === undefined ? {} : { title }) };
  });
