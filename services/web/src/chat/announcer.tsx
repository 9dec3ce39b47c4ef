import { useEffect, useState } from 'react';
import type { Item } from '@sluice/client';
import type { SessionStore } from '../session/session-store.ts';

/** Between two announcements, ms: a screen reader needs time to read one. */
const EVERY_MS = 2_500;
const MAX_CHARS = 800;

/** What of the answers was not announced yet, by finished paragraphs. */
class Reader {
  /** characters of each answer that were read, or were here before this page; Infinity: all, and its end */
  readonly #read = new Map<string, number>();
  #hasLooked = false;

  next(items: readonly Item[]): string {
    const parts: string[] = [];
    for (const item of items) {
      if (item.kind !== 'generation') continue;
      const { id, text = '', status } = item;
      const isDone = status === 'done';
      const from = this.#read.get(id) ?? (this.#hasLooked ? 0 : isDone ? Infinity : text.length);
      if (from === Infinity) {
        this.#read.set(id, Infinity);
        continue;
      }
      const to = isDone ? text.length : Math.max(from, text.lastIndexOf('\n\n') + 1);
      if (to > from) parts.push(text.slice(from, to).slice(0, MAX_CHARS));
      if (isDone) parts.push('Answer complete.');
      this.#read.set(id, isDone ? Infinity : to);
    }
    this.#hasLooked = true;
    return parts.join(' ');
  }
}

/**
 * Reads answers to a screen reader paragraph by paragraph. The transcript itself is not live: every token would
 * interrupt the one before.
 */
export const Announcer = ({ store }: { readonly store: SessionStore }) => {
  const [words, setWords] = useState('');
  useEffect(() => {
    const reader = new Reader();
    const timer = setInterval(() => {
      const { phase, items } = store.snapshot();
      const next = phase === 'ready' ? reader.next(items) : '';
      if (next !== '') setWords(next);
    }, EVERY_MS);
    return () => clearInterval(timer);
  }, [store]);
  return (
    <div className="visually-hidden announcer" aria-live="polite">
      {words}
    </div>
  );
};
