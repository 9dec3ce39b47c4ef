import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { counted, parseAuthFrame, parseClientFrame, promptBodySchema } from '../src/schema.ts';

const MANY = 100_000;
/** Beside parsing the JSON; an issue for each bad entry takes far more, ms. */
const SOON_MS = 60;

const timed = (work: () => unknown): number => {
  const begun = performance.now();
  work();
  return performance.now() - begun;
};
const best = (work: () => unknown): number => Math.min(...Array.from({ length: 3 }, () => timed(work)));

describe('lists and records that anybody may send', () => {
  const numbers = counted(1_000, z.array(z.int()));

  test('are as their schema says', () => {
    expect(numbers.parse([1, 2])).toEqual([1, 2]);
    expect(numbers.safeParse('x').success).toBe(false);
    expect(z.object({ numbers: numbers.exactOptional() }).parse({})).toEqual({});
    expect(z.toJSONSchema(numbers, { io: 'input' })).toMatchObject({ type: 'array' });
  });

  test('are refused for their number before an entry is looked at', () => {
    let looks = 0;
    const looked = counted(1_000, z.array(z.unknown().refine(() => (looks += 1) > 0)));
    expect(looked.safeParse(Array(1_001).fill(0)).error?.issues).toMatchObject([
      { message: 'expected at most 1000 entries' },
    ]);
    expect(looks).toBe(0);
  });

  test('are refused for their first bad entry, which is named', () => {
    const list: unknown[] = Array(500).fill(0);
    list.fill('x', 200);
    const { issues } = numbers.safeParse(list).error ?? { issues: [] };
    expect(issues.map(({ path }) => path)).toEqual([[200]]);
  });
});

describe.each([
  ['a record with bad keys', () => ({ positions: Object.fromEntries(entries(MANY, '*')) })],
  ['a record with bad keys, not too many', () => ({ positions: Object.fromEntries(entries(9_000, '*')) })],
  ['a record with bad values', () => ({ positions: Object.fromEntries(entries(9_000, 'g')) })],
])('%s in a frame', (_name, fields) => {
  test('is refused soon, and without naming a key', () => {
    const text = JSON.stringify({ type: 'subscribe', session: 's', ...fields() });
    const result = parseClientFrame(text);
    expect(result).toMatchObject({ type: 'bad', knownType: true });
    expect(result.type === 'bad' && result.message).not.toContain('*');
    const parsing = best(() => JSON.parse(text) as unknown);
    expect(best(() => parseClientFrame(text)) - parsing).toBeLessThan(SOON_MS + parsing);
  });
});

test('a list of 100,000 bad messages is refused soon', () => {
  const body = { messages: Array(MANY).fill(0) };
  expect(promptBodySchema.safeParse(body).success).toBe(false);
  expect(best(() => promptBodySchema.safeParse(body))).toBeLessThan(SOON_MS);
  const fewer = { messages: Array(10_000).fill(0) };
  expect(promptBodySchema.safeParse(fewer).error?.issues).toHaveLength(1);
});

test('only an `auth` frame is one', () => {
  expect(parseAuthFrame('{"type":"auth","token":"t"}')).toEqual({ type: 'auth', token: 't' });
  for (const text of ['{"type":"ping"}', '{"type":"auth"}', '[', 'null', '{"type":"auth","token":1}'])
    expect(parseAuthFrame(text)).toBeUndefined();
});

const entries = (count: number, prefix: string): [string, unknown][] =>
  Array.from({ length: count }, (_, index) => [`${prefix}${index}`, 0]);
