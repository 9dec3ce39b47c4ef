import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ChatMessage } from '@sluice/protocol';
import { SimulatedEngine } from '../src/index.ts';
import type { SimulatedOptions } from '../src/index.ts';
import { Prefill } from '../src/engine/prefill.ts';
import { collect, joined, never, requestOf } from '@sluice/testkit';
import { ManualClock } from './manual-clock.ts';

const BLOCK = 16;
const text = (tokens: number, mark = 'x'): string => mark.repeat(tokens * 4);

describe('the prefix cache', () => {
  test('knows the whole blocks at the beginning of what it has read, and nothing else', () => {
    const cache = new Prefill({ prefillTokensPerSecond: 1_000, cacheTokens: 10_000 });
    expect(cache.cachedTokens(text(100))).toBe(0);
    cache.remember(text(100));
    expect(cache.cachedTokens(text(100))).toBe(96);
    expect(cache.cachedTokens(text(40))).toBe(32);
    expect(cache.cachedTokens(text(64) + text(64, 'y'))).toBe(64);
    expect(cache.cachedTokens(text(16, 'y') + text(64))).toBe(0);
  });

  test('never finds more than two conversations have in common', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 400 }), fc.string({ maxLength: 400 }), fc.string(), (a, b, both) => {
        const shared = text(40) + both;
        const cache = new Prefill({ prefillTokensPerSecond: 1, cacheTokens: 10_000 });
        cache.remember(shared + a);
        let common = 0;
        while (common < (shared + b).length && (shared + a)[common] === (shared + b)[common]) common += 1;
        const cached = cache.cachedTokens(shared + b);
        expect(cached * 4).toBeLessThanOrEqual(common);
        expect(cached).toBe(Math.floor(common / 64) * BLOCK);
      }),
    );
  });

  test('holds no more than it may, and forgets what was used least recently, ends first', () => {
    const cache = new Prefill({ prefillTokensPerSecond: 1, cacheTokens: 20 * BLOCK });
    const [a, b, c] = ['a', 'b', 'c'].map((mark) => text(10 * BLOCK, mark)) as [string, string, string];
    cache.remember(a);
    cache.remember(b);
    cache.remember(a);
    cache.remember(c.slice(0, 4 * 4 * BLOCK));
    expect(cache.cachedTokens(a)).toBe(10 * BLOCK);
    expect(cache.cachedTokens(b)).toBe(6 * BLOCK);
    expect(cache.cachedTokens(c)).toBe(4 * BLOCK);
  });
});

/** Runs to the end on a clock that the test turns; tells when the first token came. */
const timed = async (
  engine: SimulatedEngine,
  clock: ManualClock,
  messages: readonly ChatMessage[],
): Promise<{ ms: number; text: string; cached: unknown }> => {
  const from = clock.now();
  const run = engine.generate(requestOf('', { messages }), never());
  const first = run.next();
  let isThere = false;
  void first.then(() => (isThere = true));
  while (!isThere) await clock.advance(2);
  const ms = clock.now() - from;
  const step = await first;
  const { tokens, end } = await collect(run);
  const details = end.usage?.['prompt_tokens_details'] as { cached_tokens?: unknown } | undefined;
  return {
    ms,
    text: joined(step.done === true ? tokens : [step.value, ...tokens]),
    cached: details?.cached_tokens,
  };
};

describe('the first token of the simulated engine', () => {
  const options: SimulatedOptions = { ttftMs: 10, tokensPerSecond: 0, prefillTokensPerSecond: 1_000 };
  const question: ChatMessage = { role: 'user', content: text(1_000) };

  test('comes after what is new of the conversation has been read, its own earlier answer is not', async () => {
    const clock = new ManualClock();
    const engine = new SimulatedEngine({ ...options, clock });
    const first = await timed(engine, clock, [question]);
    expect(first.ms).toBeGreaterThan(1_010);
    expect(first.ms).toBeLessThan(1_030);
    expect(first.cached).toBe(0);
    const conversation = [
      question,
      { role: 'assistant', content: first.text },
      { role: 'user', content: text(100, 'y') },
    ];
    const second = await timed(engine, clock, conversation);
    expect(second.ms).toBeGreaterThan(110);
    expect(second.ms).toBeLessThan(150);
    expect(second.cached).toBeGreaterThan(1_000);
    // Another engine has a cache of its own.
    const other = await timed(new SimulatedEngine({ ...options, clock }), clock, conversation);
    expect(other.ms).toBeGreaterThan(first.ms + second.ms - 50);
    expect(other.cached).toBe(0);
  });

  test('of a run that goes on is not delayed by the tokens that this engine has written', async () => {
    const clock = new ManualClock();
    const engine = new SimulatedEngine({ ...options, clock });
    const whole = await timed(engine, clock, [question]);
    const prefix = [whole.text.slice(0, 200)];
    const run = engine.generate(requestOf('', { messages: [question], prefix }), never());
    let isThere = false;
    void run.next().then(() => (isThere = true));
    await clock.advance(60);
    expect(isThere).toBe(true);
    await run.return({ reason: 'stop' });
  });

  test('is not delayed, and usage says nothing of a cache, unless a speed is set', async () => {
    const clock = new ManualClock();
    const engine = new SimulatedEngine({ ttftMs: 10, tokensPerSecond: 0, clock });
    const { ms, cached } = await timed(engine, clock, [question]);
    expect(ms).toBeLessThan(20);
    expect(cached).toBeUndefined();
  });
});
