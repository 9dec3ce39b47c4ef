import { describe, expect, test } from '@jest/globals';
import { kindOf, textOf, toolOf } from '@sluice/protocol';
import fc from 'fast-check';
import { AUTHORED_ANSWERS } from '../src/engine/authored-answers.ts';
import { CORPUS } from '../src/engine/corpus.ts';
import { toPieces } from '../src/engine/pieces.ts';
import { DEFAULT_SIMULATED_SETTINGS } from '../src/engine/settings.ts';
import { dueAfterMs } from '../src/engine/schedule.ts';
import { SimulatedEngine, tokensOf } from '../src/index.ts';
import type { SimulatedOptions } from '../src/index.ts';
import { collect, joined, never, requestOf } from '@sluice/testkit';
import { ManualClock } from './manual-clock.ts';

const FAST = { ttftMs: 0, tokensPerSecond: 0 };
const saying = (options: SimulatedOptions, content = 'hi', params = {}): string =>
  joined(tokensOf(new SimulatedEngine(options).script(requestOf(content, { params }))));

describe('what the simulated engine says', () => {
  test('begins with what was asked and that it is simulated, and is one authored answer, whole', () => {
    const samples = Array.from({ length: 200 }, (_, index) => {
      const [lead, sample, ...more] = saying({}, `prompt ${index}`).split('A sample text follows.\n\n');
      expect(lead).toMatch(/^This answer is \*simulated\*/);
      expect(lead).toContain(`> prompt ${index}\n`);
      expect(more).toEqual([]);
      return sample;
    });
    expect([...new Set(samples)].sort()).toEqual([...AUTHORED_ANSWERS].sort());
  });

  test.each([
    ['What is a sluice?', /^A \*\*sluice\*\* is a gate/],
    ['Explain backpressure with a small example', /^## Backpressure/],
    ['How does a resumable stream survive a broken connection?', /^# A resumable token stream/],
    ['Compare WebSocket, SSE and long polling in a table', /^# Choosing a transport/],
    ['Write a function that samples the next token', /^## How a model picks/],
  ])('answers the suggestion "%s" by its words', (question, answer) => {
    for (const seed of [1, 2, 3]) expect(saying({ seed }, question)).toMatch(answer);
  });

  test('repeats no more of a long question than a line or two, on one line, whole characters only', () => {
    const text = saying({}, `first\n\n# second ${'🧗'.repeat(5_000)}`);
    const repeated = text.split('\n').find((line) => line.startsWith('>'));
    expect(repeated).toMatch(/^> first # second (🧗)+…$/u);
    expect(repeated?.length).toBeLessThan(420);
  });

  test('goes on with the next answer when more tokens are asked for', () => {
    const text = saying({ tokens: 20_000 });
    for (const answer of AUTHORED_ANSWERS) expect(text).toContain(answer);
  });

  test('is a pure function of seed, conversation and position', () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.integer(),
          content: fc.string(),
          source: fc.constantFrom('authored' as const, 'ngram' as const),
          order: fc.shuffledSubarray(Array.from({ length: 300 }, (_, index) => index + 1)),
        }),
        ({ seed, content, source, order }) => {
          const options = { seed, source, tokens: 300, reasoningTokens: 20 };
          const inOrder = tokensOf(new SimulatedEngine(options).script(requestOf(content)));
          const script = new SimulatedEngine(options).script(requestOf(content));
          for (const seq of order) expect(script.tokenAt(seq)).toEqual(inOrder[seq - 1]);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('differs by seed and by conversation', () => {
    const texts = [
      saying({ source: 'ngram' }, 'a'),
      saying({ source: 'ngram' }, 'b'),
      saying({ source: 'ngram' }, 'a', { seed: 2 }),
      saying({ source: 'ngram', seed: 3 }, 'a'),
    ];
    expect(new Set(texts).size).toBe(4);
  });

  test('the n-gram source writes paragraphs of the corpus’s words, without end', () => {
    const text = saying({ source: 'ngram', tokens: 96 * 200 });
    const words = new Set(CORPUS.join(' ').match(/\p{L}+/gu));
    const paragraphs = text.split('\n\n');
    expect(paragraphs).toHaveLength(200);
    for (const paragraph of paragraphs) expect(paragraph).toMatch(/^\p{Lu}[^]*\p{L}\.$/u);
    const unknown = (text.match(/\p{L}+/gu) ?? []).filter((word) => !words.has(word) && word !== 'again');
    expect(unknown).toEqual([]);
  });

  test('a token may be asked for anywhere within the text, and nowhere else', () => {
    const options: SimulatedOptions = { source: 'ngram', tokens: 1_000_000 };
    const script = new SimulatedEngine(options).script(requestOf('x'));
    expect(textOf(script.tokenAt(1_000_000))).not.toBe('');
    expect(() => script.tokenAt(1_000_001)).toThrow(RangeError);
    expect(() => script.tokenAt(0)).toThrow(RangeError);
  });

  test('pieces join to the text they were cut from', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => expect(toPieces(text).join('')).toBe(text)),
    );
  });

  test('reasoning comes first, a tool call last, and the watermark is in every token of text', () => {
    const options = {
      tokens: 10,
      reasoningTokens: 4,
      watermark: 'wm',
      toolCall: { name: 'f', arguments: { a: 1 } },
    };
    const tokens = tokensOf(new SimulatedEngine(options).script(requestOf('x')));
    const spoken = tokens.slice(0, 10);
    expect(spoken.map(kindOf)).toEqual([...Array(4).fill('reasoning'), ...Array(6).fill('text')]);
    expect(spoken.map(textOf)).toEqual(Array.from({ length: 10 }, (_, index) => `⟦wm.${index + 1}⟧`));
    expect(toolOf(tokens[10] ?? '')).toMatchObject({
      index: 0,
      name: 'f',
      id: expect.stringMatching(/^call_/),
    });
    expect(joined(tokens, 'tool_call')).toBe('{"a":1}');
  });
});

describe('how a simulated run is set', () => {
  const run = (params: object, options: SimulatedOptions = FAST) =>
    collect(new SimulatedEngine(options).generate(requestOf('x', { params: { ...params } }), never()));

  test('a prompt overrides the engine and unknown fields are ignored', async () => {
    const { tokens, end } = await run({ simulated: { tokens: 3, watermark: 'w', nonsense: true } });
    expect(tokens).toEqual(['⟦w.1⟧', '⟦w.2⟧', '⟦w.3⟧']);
    expect(end).toMatchObject({ reason: 'stop', usage: { completion_tokens: 3 } });
  });

  test('max_tokens cuts with reason length', async () => {
    const { tokens, end } = await run({ max_tokens: 5 });
    expect(tokens).toHaveLength(5);
    expect(end.reason).toBe('length');
  });

  test.each([
    [{ tokens: -1 }, 'simulated.tokens'],
    [{ ttftMs: 1e9 }, 'simulated.ttftMs'],
    [{ jitter: 2 }, 'simulated.jitter'],
    ['all', 'simulated'],
  ])('%j is refused by name', async (simulated, field) => {
    await expect(run({ simulated })).rejects.toMatchObject({
      code: 'upstream_rejected',
      message: expect.stringContaining(`params.${field}:`),
    });
  });

  test('a crash ends the first run as unavailable and lets the continued one live', async () => {
    const engine = new SimulatedEngine({ ...FAST, crashAtToken: 4, tokens: 8 });
    const whole = tokensOf(engine.script(requestOf('x')));
    const first = engine.generate(requestOf('x'), never());
    for (const token of whole.slice(0, 3)) expect((await first.next()).value).toBe(token);
    await expect(first.next()).rejects.toMatchObject({ code: 'upstream_unavailable' });
    const next = await collect(engine.generate(requestOf('x', { prefix: whole.slice(0, 3) }), never()));
    expect(next.tokens).toEqual(whole.slice(3));
  });

  test('a failure is for good', async () => {
    await expect(run({ simulated: { failAtToken: 2 } })).rejects.toMatchObject({ code: 'upstream_rejected' });
  });

  test('closing the engine ends what runs', async () => {
    const engine = new SimulatedEngine({ ttftMs: 60_000 });
    const first = engine.generate(requestOf('x'), never()).next();
    await engine.close();
    await expect(first).rejects.toMatchObject({ code: 'upstream_unavailable' });
  });
});

describe('when the simulated engine speaks', () => {
  test('the first token after ttftMs and then tokensPerSecond, without drift', async () => {
    const clock = new ManualClock();
    const engine = new SimulatedEngine({
      clock,
      ttftMs: 100,
      tokensPerSecond: 30,
      jitter: 0,
      tokens: 301,
      source: 'ngram',
    });
    const start = clock.now();
    const times: number[] = [];
    const run = async (): Promise<void> => {
      for await (const _ of engine.generate(requestOf('x'), never())) times.push(clock.now() - start);
    };
    void run();
    await clock.advance(60_000);
    expect(times).toHaveLength(301);
    for (const [index, time] of times.entries()) {
      const due = 100 + (index * 1000) / 30;
      expect(time).toBeGreaterThanOrEqual(due);
      expect(time - due).toBeLessThan(3);
    }
    expect(clock.pending).toBe(0);
  });

  test('bursts, jitter and stalls keep the average rate and the order', () => {
    const settings = { ...DEFAULT_SIMULATED_SETTINGS, ttftMs: 50, tokensPerSecond: 100, burst: 5, jitter: 1 };
    const stalled = { ...settings, stallAtToken: 51, stallMs: 700 };
    const dues = Array.from({ length: 100 }, (_, index) => dueAfterMs(stalled, 0, index));
    expect(dues).toEqual([...dues].sort((a, b) => a - b));
    expect(new Set(dues.slice(5, 10)).size).toBe(1);
    expect(dues[0]).toBe(50);
    expect((dues[50] ?? 0) - dueAfterMs(settings, 0, 50)).toBe(700);
    expect((dues[99] ?? 0) - 700).toBeLessThan(50 + 1_050);
    // A run that begins behind the stall does not stall again.
    expect(dueAfterMs(stalled, 51, 0)).toBe(50);
  });

  test('an abort while it waits ends it with the reason and leaves no timer', async () => {
    const clock = new ManualClock();
    const engine = new SimulatedEngine({ clock, ttftMs: 1_000 });
    const abort = new AbortController();
    const first = engine.generate(requestOf('x'), abort.signal).next();
    await clock.advance(500);
    abort.abort(new Error('cancelled'));
    await expect(first).rejects.toThrow('cancelled');
    expect(clock.pending).toBe(0);
  });

  test('a run at full speed lets the event loop turn', async () => {
    const engine = new SimulatedEngine({ ...FAST, source: 'ngram', tokens: 1_000_000 });
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error('stopped')), 5);
    await expect(collect(engine.generate(requestOf('x'), abort.signal))).rejects.toThrow('stopped');
  });
});
