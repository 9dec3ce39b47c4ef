import { deleteItem, deleteSession, renameSession } from '@sluice/lifecycle';
import type { EraseContext } from '@sluice/lifecycle';
import type { SessionCard } from '@sluice/bus';
import { parseItemId, SluiceError } from '@sluice/protocol';
import type { SessionKey } from '@sluice/protocol';
import { allows } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import { checkWritable } from './admission.ts';

/** Who made a thing may change it while they may write at all; whoever has the scope may change everything. */
const authorize =
  (grant: Grant, what: string) =>
  (thing: { readonly user: string } | undefined): void => {
    const isOwn = thing?.user === grant.user && allows(grant, 'prompt');
    if (isOwn || allows(grant, 'delete') || allows(grant, 'admin')) return;
    throw new SluiceError('forbidden', `only its author or scope \`delete\` may ${what}`);
  };

/** A repeat of a deletion completes it, so that needs what deleting needs at the least. */
const checkMayDelete = (grant: Grant): void => {
  if (allows(grant, 'prompt') || allows(grant, 'delete') || allows(grant, 'admin')) return;
  throw new SluiceError('forbidden', 'expected scope `prompt` or `delete`');
};

/** @throws SluiceError not_found, session_deleted, forbidden; BusUnavailableError */
export const renameFor = (
  key: SessionKey,
  grant: Grant,
  title: string | undefined,
  { bus, clock }: EraseContext,
): Promise<SessionCard> => {
  checkWritable(key);
  return renameSession(bus, key, {
    title,
    authorize: authorize(grant, 'rename this session'),
    now: clock.now(),
  });
};

/** @throws SluiceError not_found, forbidden; BusUnavailableError */
export const deleteSessionFor = async (
  key: SessionKey,
  grant: Grant,
  context: EraseContext,
): Promise<void> => {
  checkWritable(key);
  checkMayDelete(grant);
  await deleteSession(context, key, authorize(grant, 'delete this session'));
};

/** @throws SluiceError not_found, forbidden; BusUnavailableError */
export const deleteItemFor = async (
  key: SessionKey,
  item: string,
  grant: Grant,
  context: EraseContext,
): Promise<void> => {
  checkWritable(key);
  checkMayDelete(grant);
  await deleteItem(context, key, parseItemId(item), authorize(grant, 'delete this item'));
};
