import type { PresenceEvent, Session } from '@sluice/client';
import type { ViewerRef } from '@sluice/protocol';

export type Person = { readonly user: string; readonly connections: number };

/** A typing notice is good for this long, ms; it is repeated while somebody types. */
const TYPING_MS = 4_000;

const isTyping = (data: unknown): boolean =>
  typeof data === 'object' && data !== null && (data as { type?: unknown }).type === 'typing';

/** Who else is here, by name, and who of them is typing. In a crowd the server tells only how many. */
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
      session.on('presence', (presence) => this.#presence(presence)),
      session.on('signal', ({ user, data }) => {
        if (isTyping(data)) this.#types(user);
      }),
    ];
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

  #presence({ present, joined, left }: PresenceEvent): void {
    if (present !== undefined) this.#others.clear();
    for (const { connection, user } of present ?? []) this.#others.set(connection, user);
    if (joined !== undefined) this.#others.set(joined.connection, joined.user);
    if (left !== undefined) this.#left(left);
    const self = this.#self();
    if (self !== undefined) this.#others.delete(self.connection);
    this.#changed();
  }

  #changed(): void {
    const counts = new Map<string, number>();
    for (const user of this.#others.values()) counts.set(user, (counts.get(user) ?? 0) + 1);
    this.#people = [...counts].map(([user, connections]) => ({ user, connections }));
    this.#typists = [...this.#typing.keys()];
    this.#onChange();
  }

  #left({ user, connection }: ViewerRef): void {
    this.#others.delete(connection);
    if (![...this.#others.values()].includes(user)) this.#stopTyping(user);
  }

  #types(user: string): void {
    clearTimeout(this.#typing.get(user));
    this.#typing.set(
      user,
      setTimeout(() => this.#stopTyping(user), TYPING_MS),
    );
    this.#changed();
  }

  #stopTyping(user: string): void {
    clearTimeout(this.#typing.get(user));
    if (this.#typing.delete(user)) this.#changed();
  }
}
