import { describeIssue, storedItemSchema } from '@sluice/protocol/schema';
import type { ItemBody } from './session-store.ts';

/** Workers may be anybody's program: an item that is none must not harm its session. */
export class InvalidItemError extends Error {
  readonly code = 'invalid_item';
}

/**
 * Parses an item as it is stored. Fields that only its writer knows stay, since an update must not lose them.
 * @param id the one of its key
 * @throws InvalidItemError naming the field, never its content
 */
export const parseStoredItem = (json: string, id: string): ItemBody => {
  const value = parseJson(json);
  const { success, data, error } = storedItemSchema.safeParse(value);
  if (!success) throw new InvalidItemError(`item: ${describeIssue(error.issues[0])}`);
  if (data.id !== id) throw new InvalidItemError('item: `id` is not the one of its key');
  return value as ItemBody;
};

const parseJson = (json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch {
    // Without the cause, which quotes what it could not read.
    throw new InvalidItemError('item: expected JSON');
  }
};
