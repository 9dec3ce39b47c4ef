import { ForeignMessageError } from '@sluice/protocol';
import { keptParserOf, storedItemSchema } from '@sluice/protocol/schema';
import type { ItemBody } from './session-store.ts';

const parseItem: (text: string) => ItemBody = keptParserOf(storedItemSchema);

/**
 * A parser of the item of a key. Fields that only its writer knows stay, since an update must not lose them.
 * @returns a function that throws ForeignMessageError
 */
export const itemParser =
  (id: string) =>
  (text: string): ItemBody => {
    const item = parseItem(text);
    if (item.id !== id) throw new ForeignMessageError('`id` is not the one of its key');
    return item;
  };
