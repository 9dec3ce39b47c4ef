import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ItemCursor } from '../src/index.ts';

type Version = { readonly id: string; readonly rev: number };

/** A session's items, of which each read gives the newest versions, and a live path that may lose any of them. */
class ModelSession {
  readonly #newest = new Map<string, number>();
  readonly #live: Version[] = [];
  #rev = 0;

  get items(): ReadonlyMap<string, number> {
    return this.#newest;
  }
  /** rev that was given last, to any session */
  get rev(): number {
    return this.#rev;
  }

  store(id: string, isHeard: boolean): void {
    this.#rev += 1;
    this.#newest.set(id, this.#rev);
    if (isHeard) this.#live.push({ id, rev: this.#rev });
  }

  /** Another session takes a rev of the stream. */
  storeElsewhere(): void {
    this.#rev += 1;
  }

  /** In the order in which they were stored, at any time later. */
  hear(): Version | undefined {
    return this.#live.shift();
  }

  page(since: number, size: number): { readonly versions: readonly Version[]; readonly more: boolean } {
    const after = [...this.#newest]
      .map(([id, rev]) => ({ id, rev }))
      .filter(({ rev }) => rev > since)
      .sort((left, right) => left.rev - right.rev);
    return { versions: after.slice(0, size), more: after.length > size };
  }
}

/** An edge: what it announced, and the page that it has read but not taken yet. */
class Announcing {
  readonly cursor = new ItemCursor();
  readonly told = new Map<string, number>();
  readonly #session: ModelSession;
  #page: readonly Version[] | undefined;

  constructor(session: ModelSession) {
    this.#session = session;
  }

  take({ id, rev }: Version): void {
    if (!this.cursor.take(id, rev)) return;
    expect(rev).toBeGreaterThan(this.told.get(id) ?? 0);
    this.told.set(id, rev);
  }

  hear(): void {
    const version = this.#session.hear();
    if (version !== undefined) this.take(version);
  }

  readPage(size: number): void {
    this.#page ??= this.#session.page(this.cursor.rev, size).versions;
  }

  takePage(): void {
    const page = this.#page ?? [];
    this.#page = undefined;
    for (const version of page) this.take(version);
    this.cursor.listed(page.at(-1)?.rev ?? this.cursor.rev);
  }

  listAll(size: number): void {
    for (let more = true; more;) {
      ({ more } = this.#session.page(this.cursor.rev, size));
      this.readPage(size);
      this.takePage();
    }
  }
}

const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const size = fc.integer({ min: 1, max: 3 });
const step = fc.oneof(
  fc.record({ type: fc.constant('store' as const), id, isHeard: fc.boolean() }),
  fc.record({ type: fc.constantFrom('elsewhere' as const, 'hear' as const, 'take' as const) }),
  fc.record({ type: fc.constant('read' as const), size }),
);

type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never;

const perform = (each: Step, session: ModelSession, edge: Announcing): void => {
  switch (each.type) {
    case 'store':
      return session.store(each.id, each.isHeard);
    case 'elsewhere':
      return session.storeElsewhere();
    case 'hear':
      return edge.hear();
    case 'read':
      return edge.readPage(each.size);
    case 'take':
      return edge.takePage();
  }
};

describe('the cursor of a session’s items', () => {
  test('tells every item that is not superseded, and never an older version after a newer one', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), size, (steps, pageSize) => {
        const session = new ModelSession();
        const edge = new Announcing(session);
        for (const each of steps) perform(each, session, edge);
        edge.takePage();
        edge.listAll(pageSize);
        expect(edge.told).toEqual(session.items);
      }),
    );
  });

  test('remembers by id only what no list has passed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const session = new ModelSession();
        const edge = new Announcing(session);
        for (const each of steps) {
          perform(each, session, edge);
          expect(edge.cursor.ahead).toBeLessThanOrEqual(
            session.page(edge.cursor.rev, Infinity).versions.length,
          );
        }
        edge.takePage();
        edge.listAll(3);
        expect(edge.cursor.ahead).toBe(0);
        expect(edge.cursor.newest).toBeLessThanOrEqual(session.rev);
      }),
    );
  });

  test('is not moved by what is announced', () => {
    const cursor = new ItemCursor();
    cursor.listed(10);
    expect(cursor.take('late', 40)).toBe(true);
    expect(cursor).toMatchObject({ rev: 10, newest: 40, ahead: 1 });
    expect(cursor.take('missed', 20)).toBe(true);
    cursor.listed(20);
    expect(cursor).toMatchObject({ rev: 20, newest: 40, ahead: 1 });
  });
});
