import { beside, checkNotDeleted, createMessage } from '@sluice/lifecycle';
import { parseItemId, SluiceError } from '@sluice/protocol';
import type { SessionKey } from '@sluice/protocol';
import { checkSize, checkWritable, refuseLate } from './admission.ts';
import type { AdmissionDeps } from './admission.ts';
import { canonicalJson } from './canonical-json.ts';

export type MessagePost = {
  /** the client's own id, of the right form */
  readonly message: string;
  readonly user: string;
  readonly text: string;
  readonly data?: unknown;
};

/**
 * Stores a chat line, or finds it: as with prompts, what was stored under its id first decides.
 * @throws SluiceError conflict, session_deleted, forbidden, too_large, quota_exceeded, rate_limited, unavailable;
 *   BusUnavailableError
 */
export const postMessage = async (
  key: SessionKey,
  { message, user, text, data }: MessagePost,
  deps: AdmissionDeps,
): Promise<void> => {
  checkWritable(key);
  const { bus, clock } = deps;
  const id = parseItemId(message);
  const body = { id, kind: 'message' as const, user, text, ...(data === undefined ? {} : { data }) };
  const isRepeat = async (): Promise<boolean> => {
    const known = await bus.sessions.item(key, id);
    if (known === undefined) return false;
    const { createdAt: _createdAt, ...stored } = (await bus.sessions.whole(key, known.item)) ?? known.item;
    if (canonicalJson(stored) === canonicalJson(body)) return true;
    throw new SluiceError('conflict', 'this id was used before with another body');
  };
  const refused = deps.room.refusal(key, { kind: 'message', user, bytes: 1 + text.length });
  const look = refused === undefined ? beside(deps.room.look(key)) : undefined;
  const [isKnown, card] = await Promise.all([isRepeat(), checkNotDeleted(bus, key)]);
  if (isKnown) return;
  if (refused !== undefined) return refuseLate(refused, clock);
  await deps.storage.admit(checkSize('message', body, deps.limits.maxFrameBytes));
  const looks = look && { room: look, card };
  if (!(await createMessage(deps, key, { ...body, createdAt: clock.now() }, looks))) await isRepeat();
};
