import type { Bus, ItemBody } from '@sluice/bus';
import type { BodyRef, SessionKey } from '@sluice/protocol';

/** Bytes that an item takes: as it is stored, and what is stored beside it. */
export const sizeOf = (item: ItemBody): number => {
  const own = Buffer.byteLength(JSON.stringify(item));
  const apart: readonly (BodyRef | undefined)[] = Object.values(item.bodies ?? {});
  const prompt = item.kind === 'generation' ? (item.promptBytes ?? 0) : 0;
  return apart.reduce((sum, ref) => sum + (ref?.bytes ?? 0), own + prompt);
};

/** What a session holds, by its listing. @throws BusUnavailableError */
export const sizesOf = async (
  bus: Bus,
  key: SessionKey,
): Promise<{ readonly items: number; readonly bytes: number }> => {
  const sizes = { items: 0, bytes: 0 };
  for (let rev = 0, more = true; more;) {
    const page = await bus.sessions.items(key, rev);
    sizes.items += page.items.length;
    for (const { item } of page.items) sizes.bytes += sizeOf(item);
    ({ rev, more } = page);
  }
  return sizes;
};
