import { describe, expect, test } from '@jest/globals';
import { deferred } from '@sluice/testkit';
import fc from 'fast-check';
import { CombinedAdditions } from '../src/combined-additions.ts';
import { BusUnavailableError } from '../src/index.ts';
import type { CounterName } from '../src/index.ts';
import { newKey } from './world.ts';

/** A counter whose answers come when they are let, in order. */
class SlowCounter {
  readonly added: number[] = [];
  readonly #answers: (() => void)[] = [];
  #value = 0;

  add = async (_name: CounterName, delta: number): Promise<number> => {
    this.added.push(delta);
    const value = (this.#value += delta);
    const answer = deferred<number>();
    this.#answers.push(() => answer.resolve(value));
    return answer.promise;
  };

  async answerAll(): Promise<void> {
    for (let next = this.#answers.shift(); next !== undefined; next = this.#answers.shift()) {
      next();
      await new Promise(setImmediate);
    }
  }
}

const name: CounterName = { ...newKey(), unit: 'items' };

describe('Additions to one counter', () => {
  test('go at once while nothing is in flight, and together while something is', async () => {
    const counter = new SlowCounter();
    const additions = new CombinedAdditions(counter.add);
    const values = [1, 5, -2, 4].map((delta) => additions.add(name, delta));
    expect(counter.added).toEqual([1]);
    await counter.answerAll();
    expect(counter.added).toEqual([1, 7]);
    expect(await Promise.all(values)).toEqual([1, 6, 4, 8]);
    const later = additions.add(name, 1);
    expect(counter.added).toEqual([1, 7, 1]);
    await counter.answerAll();
    expect(await later).toBe(9);
  });

  test('wait for none to another counter', () => {
    const counter = new SlowCounter();
    const additions = new CombinedAdditions(counter.add);
    void additions.add(name, 1);
    void additions.add({ ...newKey(), unit: 'items' }, 2);
    expect(counter.added).toEqual([1, 2]);
  });

  test('fail with the one that they are part of, and with no other', async () => {
    let calls = 0;
    const additions = new CombinedAdditions(async (_name, delta) => {
      calls += 1;
      if (calls === 2) throw new BusUnavailableError('no answer');
      return Promise.resolve(delta);
    });
    const adding = [1, 2, 3].map((delta) => additions.add(name, delta));
    const results = await Promise.allSettled(adding);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(await additions.add(name, 4)).toBe(4);
  });

  test('get the values that they would have got one after the other', async () => {
    const groups = fc.array(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(groups, async (deltas) => {
        const counter = new SlowCounter();
        const additions = new CombinedAdditions(counter.add);
        const values: Promise<number>[] = [];
        for (const group of deltas) {
          values.push(...group.map((delta) => additions.add(name, delta)));
          await new Promise(setImmediate);
          if (group.length % 2 === 0) await counter.answerAll();
        }
        await counter.answerAll();
        let sum = 0;
        expect(await Promise.all(values)).toEqual(deltas.flat().map((delta) => (sum += delta)));
      }),
      { numRuns: 200 },
    );
  });
});
