import type { Session } from '@sluice/client';
import type { ViewerRef } from '@sluice/protocol';

export type Person = { readonly user: string; readonly connections: number };

type Greeting = { readonly type: 'hello' | 'here'; readonly connection: string };

/** In a crowd nobody introduces themselves: the count says enough. */
const MAX_GREETED = 20;
/** A typing notice is good for this long, ms; it is repeated while somebody types. */
const TYPING_MS = 4_000;

const isGreeting = (data: unknown): data is Greeting => {
  if (typeof data !== 'object' || data === null) return false;
  const { type, connection } = data as { type?: unknown; connection?: unknown };
  return (type === 'hello' || type === 'here') && typeof connection === 'string' && connection.length <= 64;
};

const isTyping = (data: unknown): boolean =>
  typeof data === 'object' && data !== null && (data as { type?: unknown }).type === 'typing';

/**
 * Who else is here, by name. The server tells the number and who comes and goes; who was here before introduces
 * themselves by signal when this tab says hello. Names are the server's, hence true.
 */
export class Roster {
  readonly #session: Session;
  readonly #self: () => ViewerRef | undefined;
  readonly #onChange: () => void;
  readonly #others = new Map<string, string>();
  readonly #typing = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #removals: readonly (() => void)[];
  #people: readonly Person[] = [];
  #typists: readonly string[] = [];

  constructor(session: Session, self: () => ViewerRef | undefined, changed: () => void) {
    this.#session = session;
    this.#self = self;
    this.#onChange = changed;
    this.#removals = [
      session.on('presence', ({ viewers, joined, left }) => {
        if (joined !== undefined) this.#others.set(joined.connection, joined.user);
        if (left !== undefined) this.#left(left);
        if (viewers <= 1) this.#others.clear();
        this.#changed();
      }),
      session.on('signal', ({ user, data }) => this.#signal(user, data)),
    ];
  }

  /** The connection is new: who is here has to be found out again. */
  greet(): void {
    this.#others.clear();
    this.#say('hello');
    this.#changed();
  }

  typing(): void {
    this.#session.signal({ type: 'typing' });
  }

  /** Other people by name, this person's further tabs under their own. The same list until it changes. */
  get people(): readonly Person[] {
    return this.#people;
  }

  /** The same list until it changes. */
  get typists(): readonly string[] {
    return this.#typists;
  }

  close(): void {
    for (const remove of this.#removals) remove();
    for (const timer of this.#typing.values()) clearTimeout(timer);
  }

  #changed(): void {
    const counts = new Map<string, number>();
    for (const user of this.#others.values()) counts.set(user, (counts.get(user) ?? 0) + 1);
    this.#people = [...counts].map(([user, connections]) => ({ user, connections }));
    this.#typists = [...this.#typing.keys()];
    this.#onChange();
  }

  #say(type: Greeting['type']): void {
    const self = this.#self();
    if (self !== undefined) this.#session.signal({ type, connection: self.connection } satisfies Greeting);
  }

  #left({ user, connection }: ViewerRef): void {
    this.#others.delete(connection);
    if (![...this.#others.values()].includes(user)) this.#stopTyping(user);
  }

  #signal(user: string, data: unknown): void {
    if (isGreeting(data)) {
      if (this.#others.size < MAX_GREETED) this.#others.set(data.connection, user);
      if (data.type === 'hello' && this.#session.viewers <= MAX_GREETED) this.#say('here');
    } else if (isTyping(data)) {
      clearTimeout(this.#typing.get(user));
      this.#typing.set(
        user,
        setTimeout(() => this.#stopTyping(user), TYPING_MS),
      );
    } else return;
    this.#changed();
  }

  #stopTyping(user: string): void {
    clearTimeout(this.#typing.get(user));
    if (this.#typing.delete(user)) this.#changed();
  }
}
