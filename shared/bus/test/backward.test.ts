import { expect, test } from '@jest/globals';
import { SeededRandom } from '@sluice/testkit';
import { backward } from '../src/nats/backward.ts';
import type { Entry, ReadFrom } from '../src/nats/backward.ts';

const PAGE_BYTES = 1024 * 1024;

/** Reads as NATS does, and counts. */
const streamOf = (entries: readonly Entry[]) => {
  const asked = { requests: 0, bytes: 0 };
  const read: ReadFrom<Entry> = (from, most) => {
    const inside = entries.filter(({ sequence }) => sequence >= from);
    const found: Entry[] = [];
    for (let bytes = 0; found.length < Math.min(most, inside.length) && bytes <= PAGE_BYTES;) {
      const next = inside[found.length] as Entry;
      bytes += next.bytes;
      found.push(next);
    }
    asked.requests += 1;
    asked.bytes += found.reduce((sum, { bytes }) => sum + bytes, 0);
    return Promise.resolve({ entries: found, left: inside.length - found.length });
  };
  return { asked, read, newest: entries.at(-1)?.sequence ?? 0 };
};

const all = async (read: ReadFrom<Entry>, newest: number): Promise<number[]> => {
  const sequences: number[] = [];
  for await (const { entries } of backward(read, newest))
    sequences.push(...entries.map(({ sequence }) => sequence));
  return sequences;
};

test('every entry comes once, the newest first, wherever the sequences lie', async () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const numbers = new SeededRandom(seed);
    const random = (): number => numbers.next();
    const count = Math.floor(random() * 400);
    const gap = 10 ** Math.floor(random() * 6);
    let sequence = 0;
    const entries = Array.from({ length: count }, () => {
      sequence += 1 + (random() < 0.1 ? Math.floor(random() * gap) : 0);
      return { sequence, bytes: random() < 0.2 ? Math.floor(random() * 1_000_000) : 100 };
    });
    const { read, newest } = streamOf(entries);
    const expected = entries.map((entry) => entry.sequence).toReversed();
    expect({ seed, found: await all(read, newest) }).toEqual({ seed, found: expected });
  }
});

test('what is stored meanwhile makes nothing of before it missing, and nothing come twice', async () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const numbers = new SeededRandom(seed);
    const random = (): number => numbers.next();
    const before = Array.from({ length: 300 }, (_, n) => ({ sequence: 1 + n * 50, bytes: 9_000 }));
    const entries: Entry[] = [...before];
    const { read, newest } = streamOf(entries);
    const busy: ReadFrom<Entry> = (from, most) => {
      // A new entry, or an old one that moves to the end.
      const last = entries.at(-1)?.sequence ?? 0;
      if (random() < 0.3) entries.push({ sequence: last + 1, bytes: 100 });
      if (random() < 0.1)
        entries.push({ ...(entries.splice(Math.floor(random() * 100), 1)[0] as Entry), sequence: last + 2 });
      return read(from, most);
    };
    const found = await all(busy, newest);
    expect(new Set(found).size).toBe(found.length);
    const stayed = before
      .map(({ sequence }) => sequence)
      .filter((each) => entries.some(({ sequence }) => sequence === each));
    expect({ seed, missing: stayed.filter((each) => !found.includes(each)) }).toEqual({ seed, missing: [] });
  }
});

test('the newest 4 MiB of 240 MB cost about as much, in few requests', async () => {
  const entries = Array.from({ length: 1_000 }, (_, n) => ({ sequence: 1 + n * 1_000, bytes: 240_000 }));
  const { read, newest, asked } = streamOf(entries);
  let bytes = 0;
  for await (const page of backward(read, newest)) {
    bytes += page.entries.reduce((sum, entry) => sum + entry.bytes, 0);
    if (bytes > 4 * PAGE_BYTES) break;
  }
  expect(asked.requests).toBeLessThan(40);
  expect(asked.bytes).toBeLessThan(12 * PAGE_BYTES);
});

test('a row that fits one page costs one request', async () => {
  const { read, newest, asked } = streamOf([
    { sequence: 5, bytes: 10 },
    { sequence: 9, bytes: 10 },
  ]);
  expect(await all(read, newest)).toEqual([9, 5]);
  expect(asked.requests).toBe(1);
});
