import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FairQueue } from '../src/index.ts';
import type { Party } from '../src/index.ts';

type Job = Party & { readonly n: number; readonly ms: number };

const partyOf = (name: string): Party => {
  const [org = '', user = 'u'] = name.split('/');
  return { org, user };
};

/** Slots that run what waits, in virtual time. */
class Model {
  readonly queue = new FairQueue<Job>();
  readonly servedMs = new Map<string, number>();
  readonly order: number[] = [];
  #running: { job: Job; until: number }[] = [];
  #now = 0;
  #slots: number;
  #pushed = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  push(name: string, { times = 1, ms = 100 } = {}): void {
    for (let n = 0; n < times; n += 1) this.queue.push({ ...partyOf(name), n: (this.#pushed += 1), ms });
    this.#fill();
  }

  runFor(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#running.toSorted((a, b) => a.until - b.until)[0];
      if (next === undefined || next.until > end) break;
      this.#now = next.until;
      this.#running = this.#running.filter((run) => run !== next);
      const { job } = next;
      this.queue.giveBack(job, job.ms);
      for (const party of [job.org, `${job.org}/${job.user}`])
        this.servedMs.set(party, (this.servedMs.get(party) ?? 0) + job.ms);
      this.#fill();
    }
    this.#now = end;
  }

  #fill(): void {
    for (;;) {
      const job = this.queue.peek();
      if (job === undefined || this.#running.length >= this.#slots) return;
      this.queue.remove(job);
      this.queue.take(job);
      this.order.push(job.n);
      this.#running.push({ job, until: this.#now + job.ms });
    }
  }
}

const shares = (model: Model, names: readonly string[]): number[] =>
  names.map((name) => model.servedMs.get(name) ?? 0);
const jain = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) ** 2 / (values.length * values.reduce((a, b) => a + b * b, 0));
const orgs = Array.from({ length: 16 }, (_, n) => `org-${n}`);

describe('a fair queue', () => {
  test('gives out all of what one user asks for, first come first served', () => {
    const model = new Model(4);
    model.push('a', { times: 20 });
    model.runFor(10_000);
    expect(model.order).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    expect(model.queue.size).toBe(0);
  });

  test('serves whoever comes next, before all that another has asked for', () => {
    const model = new Model(4);
    model.push('a', { times: 200 });
    model.push('b');
    model.runFor(100);
    expect(model.order[4]).toBe(201);
  });

  test.each([1, 4, 64])('serves 16 orgs alike with %d slots, whatever one of them asks for', (slots) => {
    const model = new Model(slots);
    orgs.forEach((org, at) => model.push(org, { times: at === 0 ? 10_000 : 1_000 }));
    model.runFor((100 * 16 * 200) / slots);
    expect(jain(shares(model, orgs))).toBeGreaterThan(0.98);
  });

  test('counts time and not runs: one org’s answers are ten times as long', () => {
    const model = new Model(4);
    orgs.forEach((org, at) => model.push(org, { times: 2_000, ms: at === 0 ? 1_000 : 100 }));
    model.runFor(60_000);
    expect(jain(shares(model, orgs))).toBeGreaterThan(0.95);
  });

  test('serves the users of an org alike, and gives an org no more for having many', () => {
    const model = new Model(4);
    const users = Array.from({ length: 8 }, (_, n) => `many/user-${n}`);
    users.forEach((user, at) => model.push(user, { times: at === 0 ? 2_000 : 200 }));
    model.push('single', { times: 2_000 });
    model.runFor(20_000);
    expect(jain(shares(model, users))).toBeGreaterThan(0.99);
    expect(jain(shares(model, ['many', 'single']))).toBeGreaterThan(0.99);
  });

  test('saves nothing up for an org that was away', () => {
    const model = new Model(1);
    model.push('a', { times: 2_000 });
    model.runFor(50_000);
    model.push('b', { times: 200 });
    model.runFor(10_000);
    expect(model.servedMs.get('b')).toBeLessThanOrEqual(5_100);
  });

  test('remembers what an org had when it comes back at once', () => {
    const model = new Model(1);
    for (const org of ['a', 'b', 'c']) model.push(org, { times: 1_000 });
    // Never more than one at a time, each ten times as long as those of the others.
    for (let n = 0; n < 300; n += 1) {
      if (![...model.queue.entries()].some(({ org }) => org === 'x')) model.push('x', { ms: 1_000 });
      model.runFor(100);
    }
    expect(model.servedMs.get('x')).toBeLessThanOrEqual(9_500);
  });

  test('knows what each holds, and forgets whoever has nothing left', () => {
    const queue = new FairQueue<Party>();
    const party = { org: 'a', user: 'u' };
    queue.take(party);
    queue.take({ org: 'a', user: 'v' });
    expect(queue.holds(party)).toEqual({ org: 2, user: 1 });
    queue.giveBack(party, 5);
    queue.giveBack({ org: 'a', user: 'v' }, 5);
    expect(queue.holds(party)).toEqual({ org: 0, user: 0 });
  });

  test('has what was put in and not taken out, whatever comes in between', () => {
    const name = fc.constantFrom('a/u', 'a/v', 'b/u', 'c/w');
    const step = fc.oneof(
      fc.record({ push: name }),
      fc.record({ removeAt: fc.nat(20) }),
      fc.record({ next: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new FairQueue<Party>();
        const model: Party[] = [];
        for (const each of steps) {
          if ('push' in each) {
            const entry = partyOf(each.push);
            queue.push(entry);
            model.push(entry);
          }
          const gone =
            'next' in each ? queue.peek() : 'removeAt' in each ? model[each.removeAt % 20] : undefined;
          if (gone !== undefined) {
            queue.remove(gone);
            model.splice(model.indexOf(gone), 1);
          }
          expect(queue.size).toBe(model.length);
          expect(new Set(queue.entries())).toEqual(new Set(model));
          expect(queue.peek() === undefined).toBe(model.length === 0);
        }
      }),
    );
  });
});
