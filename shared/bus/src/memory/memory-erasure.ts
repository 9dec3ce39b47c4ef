import { isId, parseGenerationId, parseItemId } from '@sluice/protocol';
import type { ItemId, SessionKey } from '@sluice/protocol';
import { ERASED, isErased } from '../cards/erased.ts';
import { fenceRecord, isFence } from '../cards/erasure.ts';
import type { Erasure } from '../cards/erasure.ts';
import { bodySubjectsOf, chunkSubject, itemKey } from '../subjects.ts';
import type { TokenLog } from '../token-log.ts';
import { appendRecord, putItem } from './memory-hub.ts';
import type { MemoryHub } from './memory-hub.ts';

/** What is erased keeps its place here, however long: nobody waits for that in a test. */
export const memoryErasure = (hub: MemoryHub, tokens: Pick<TokenLog, 'head'>): Erasure => {
  const idsIn = (paths: Iterable<string>, { org, session }: SessionKey, place: number): string[] =>
    [...paths]
      .map((path) => path.split('.'))
      .filter((parts) => parts[place - 2] === org && parts[place - 1] === session)
      .map((parts) => parts[place] ?? '');
  const eraseLog = async (key: SessionKey, id: ItemId, isRun: boolean): Promise<void> => {
    const generation = { ...key, generation: parseGenerationId(id) };
    const chunks = hub.chunks.get(itemKey(key, id));
    if (chunks === undefined && !isRun) return;
    const head = await tokens.head(generation);
    const fence = chunkSubject(0, generation, head?.chunk ?? 0);
    if (head === undefined || !isFence(head.record))
      appendRecord(hub, fence, JSON.stringify(fenceRecord(head)));
    // As on NATS, only the newest message of a subject is kept.
    hub.log.forEach(({ subject }, index) => {
      if (
        subject.startsWith(`tok.0.${itemKey(key, id)}.`) &&
        hub.chunks.get(itemKey(key, id))?.get(fence) !== index + 1
      )
        hub.log[index] = { subject, text: ERASED };
    });
  };
  return {
    ids: (key) => {
      const found = [
        ...idsIn(hub.items.keys(), key, 2),
        ...idsIn(hub.prompts.keys(), key, 2),
        ...idsIn(hub.bodies.keys(), key, 3),
        ...idsIn(hub.chunks.keys(), key, 2),
      ];
      return Promise.resolve([...new Set(found.filter(isId))].map(parseItemId));
    },
    stand: (key, id) => {
      const stored = hub.items.get(itemKey(key, id));
      return Promise.resolve(stored && { rev: stored.rev, isErased: isErased(stored.text) });
    },
    item: (key, id, { rev }) => {
      const path = itemKey(key, id);
      return Promise.resolve(hub.items.get(path)?.rev === rev ? putItem(hub, path, ERASED) : undefined);
    },
    rest: async (key, id) => {
      const path = itemKey(key, id);
      const isRun = hub.prompts.has(path);
      if (isRun) hub.prompts.set(path, ERASED);
      await eraseLog(key, id, isRun);
      const prefix = bodySubjectsOf(key, id).replace(/\*.*$/, '');
      for (const subject of [...hub.bodies.keys()])
        if (subject.startsWith(prefix)) hub.bodies.delete(subject);
    },
  };
};
