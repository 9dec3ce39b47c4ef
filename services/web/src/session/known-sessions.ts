import { isId } from '@sluice/protocol';

/** A conversation this browser has opened. */
export type KnownSession = { readonly id: string; readonly title: string; readonly openedAt: number };

const KEY = 'sluice.sessions';
const MAX_SESSIONS = 100;

const isKnown = (value: unknown): value is KnownSession => {
  if (typeof value !== 'object' || value === null) return false;
  const { id, title, openedAt } = value as Record<string, unknown>;
  return isId(id) && typeof title === 'string' && typeof openedAt === 'number';
};

const read = (): readonly KnownSession[] => {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(value) ? value.filter(isKnown).slice(0, MAX_SESSIONS) : [];
  } catch {
    // Written by something else, or storage is off: the list starts anew.
    return [];
  }
};

/**
 * The list of sessions, newest first. It is this browser's own memory: the texts are in the log, and a session
 * that is not in the list is reached by its link all the same.
 */
export class KnownSessions {
  readonly #listeners = new Set<() => void>();
  #sessions = read();

  /** Follows what other tabs change. @returns the function that stops it */
  follow(): () => void {
    const changed = ({ key }: StorageEvent): void => {
      if (key === KEY) this.#set(read());
    };
    addEventListener('storage', changed);
    return () => removeEventListener('storage', changed);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly snapshot = (): readonly KnownSession[] => this.#sessions;

  /** Notes that a session is open; an empty title leaves the known one. */
  note(id: string, title: string): void {
    const known = this.#sessions.find((session) => session.id === id);
    if (known !== undefined && (title === '' || known.title === title)) return;
    const session = known === undefined ? { id, title, openedAt: Date.now() } : { ...known, title };
    const others = this.#sessions.filter((other) => other.id !== id);
    this.#save([session, ...others].sort((left, right) => right.openedAt - left.openedAt));
  }

  /** Only from this list; the log keeps it for its retention time. */
  forget(id: string): void {
    this.#save(this.#sessions.filter((session) => session.id !== id));
  }

  #save(sessions: readonly KnownSession[]): void {
    const kept = sessions.slice(0, MAX_SESSIONS);
    try {
      localStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // Storage is full or off: the list then lives as long as the tab.
    }
    this.#set(kept);
  }

  #set(sessions: readonly KnownSession[]): void {
    this.#sessions = sessions;
    for (const listener of this.#listeners) listener();
  }
}
