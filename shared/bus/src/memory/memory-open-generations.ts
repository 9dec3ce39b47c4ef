import { MAX_OPEN_PAGE } from '../session-store.ts';
import type { OpenGenerations } from '../session-store.ts';
import { openKeyOf, openSubject } from '../subjects.ts';
import { putOpen } from './memory-hub.ts';
import type { MemoryHub } from './memory-hub.ts';

export const memoryOpenGenerations = (hub: MemoryHub): OpenGenerations => ({
  add: (key) => Promise.resolve(putOpen(hub, openSubject(key))),
  remove: (key, entry) => {
    const subject = openSubject(key);
    if (entry === undefined || hub.open.get(subject) === entry) hub.open.delete(subject);
    return Promise.resolve();
  },
  list: (after = 0, org) => {
    const isWanted = (subject: string): boolean => org === undefined || subject.startsWith(`open.${org}.`);
    const entries = [...hub.open].filter(([subject, entry]) => entry > after && isWanted(subject));
    const page = entries.slice(0, MAX_OPEN_PAGE);
    const open = page.flatMap(([subject, entry]) => {
      const key = openKeyOf(subject);
      return key === undefined ? [] : { key, entry };
    });
    return Promise.resolve({ open, next: entries.length > page.length ? page.at(-1)?.[1] : undefined });
  },
});
