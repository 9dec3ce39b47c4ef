import type { Border } from '../border.ts';
import { parseCard } from '../messages.ts';
import { MAX_CARD_PAGE } from '../cards/session-cards.ts';
import type { SessionCards, StoredCard } from '../cards/session-cards.ts';
import { cardSubject, eraseSubject, sessionOfSubject } from '../subjects.ts';
import { putCard } from './memory-hub.ts';
import type { MemoryHub } from './memory-hub.ts';

export const memorySessionCards = (hub: MemoryHub, border: Border): SessionCards => {
  const at = (subject: string) => {
    const stored = hub.cards.get(subject);
    if (stored === undefined || stored.expiresAt > performance.now()) return stored;
    hub.cards.delete(subject);
    return undefined;
  };
  const cardAt = (subject: string): StoredCard | undefined => {
    const stored = at(subject);
    const card = stored && border.read('card', stored.text, parseCard);
    return stored && card && { rev: stored.rev, card };
  };
  return {
    read: (key) => Promise.resolve(cardAt(cardSubject(key))),
    write: (key, card, { rev, ttlMs }) => {
      const subject = cardSubject(key);
      if ((at(subject)?.rev ?? 0) !== rev) return Promise.resolve(undefined);
      const text = JSON.stringify(card);
      return Promise.resolve(putCard(hub, subject, { text, ...(ttlMs === undefined ? {} : { ttlMs }) }));
    },
    list: (org, before = Infinity) => {
      const subjects = [...hub.cards.keys()].filter((subject) => subject.startsWith(`card.${org}.`));
      const older = subjects.filter((subject) => (at(subject)?.rev ?? Infinity) < before).toReversed();
      const page = older.slice(0, MAX_CARD_PAGE);
      const cards = page.flatMap((subject) => {
        const [key, stored] = [sessionOfSubject(subject), cardAt(subject)];
        return key === undefined || stored === undefined ? [] : { ...stored, key };
      });
      const last = page.length < older.length ? hub.cards.get(page.at(-1) ?? '') : undefined;
      return Promise.resolve({ cards, next: last?.rev });
    },
    mark: (key) => Promise.resolve(void putCard(hub, eraseSubject(key), { text: '{}' })),
    unmark: ({ key, entry }) => {
      const subject = eraseSubject(key);
      if (hub.cards.get(subject)?.rev === entry) hub.cards.delete(subject);
      return Promise.resolve();
    },
    marks: () => {
      const marks = [...hub.cards].flatMap(([subject, { rev }]) => {
        const key = subject.startsWith('erase.') ? sessionOfSubject(subject) : undefined;
        return key === undefined ? [] : { key, entry: rev };
      });
      return Promise.resolve(marks);
    },
  };
};
