import type { Bus, ItemBody } from '@sluice/bus';
import type { BodyRef, SessionKey } from '@sluice/protocol';
import type { Demand } from './limits.ts';

/** Bytes that an item takes: as it is stored, and what is stored beside it. */
export const sizeOf = (item: ItemBody): number => {
  const own = Buffer.byteLength(JSON.stringify(item));
  const apart: readonly (BodyRef | undefined)[] = Object.values(item.bodies ?? {});
  const prompt = item.kind === 'generation' ? (item.promptBytes ?? 0) : 0;
  return apart.reduce((sum, ref) => sum + (ref?.bytes ?? 0), own + prompt);
};

/** What storing it asks of its session, its user and its org. */
export const demandOf = (item: ItemBody): Demand => ({
  ...{ kind: item.kind, user: item.user },
  bytes: sizeOf(item),
});

export type Sizes = { readonly items: number; readonly bytes: number };

/** What a session holds, by its listing: of everybody, and of each user. @throws BusUnavailableError */
export const sizesOf = async (
  bus: Bus,
  key: SessionKey,
): Promise<Sizes & { readonly users: ReadonlyMap<string, Sizes> }> => {
  let all: Sizes = { items: 0, bytes: 0 };
  const users = new Map<string, Sizes>();
  const plus = ({ items, bytes }: Sizes, more: number): Sizes => ({ items: items + 1, bytes: bytes + more });
  for (let rev = 0, more = true; more;) {
    const page = await bus.sessions.items(key, rev);
    for (const { item } of page.items) {
      const bytes = sizeOf(item);
      all = plus(all, bytes);
      users.set(item.user, plus(users.get(item.user) ?? { items: 0, bytes: 0 }, bytes));
    }
    ({ rev, more } = page);
  }
  return { ...all, users };
};
