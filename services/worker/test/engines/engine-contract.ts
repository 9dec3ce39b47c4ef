import { afterEach, describe, expect, test } from '@jest/globals';
import type { Engine, EngineRequest, EngineRun } from '@sluice/core';
import { kindOf, textOf, toolOf } from '@sluice/protocol';
import type { Token } from '@sluice/protocol';
import type { SimulatedOptions, Script } from '@sluice/simulator';
import { collect, joined, never, requestOf, waitFor } from '@sluice/testkit';
import fc from 'fast-check';

/** An engine under test, made anew for each test. What is said behind it is set by the simulation. */
export type EngineSubject = {
  readonly engine: Engine;
  /** what a run of this request has to say */
  readonly script: (request: EngineRequest) => Script;
  /** runs behind the engine that have not stopped */
  readonly running: () => number;
  /** how many tokens were made for the latest run when nothing moves any more because nobody reads */
  readonly madeWhileUnread: () => Promise<number>;
  /** connections and timers that are still open after `close` */
  readonly leftovers: () => Promise<number>;
  readonly close: () => Promise<void>;
};

export type EngineHarness = {
  readonly name: string;
  /** most ms that an abort may take to settle, for 49 of 50 */
  readonly abortMs: number;
  /** how many cut points to continue from */
  readonly cuts: number;
  start(simulated: SimulatedOptions): Promise<EngineSubject>;
};

const FAST: SimulatedOptions = { ttftMs: 0, tokensPerSecond: 0 };

const tokensUpTo = (script: Script, seq: number): readonly Token[] =>
  Array.from({ length: seq }, (_, index) => script.tokenAt(index + 1));

/** What every engine owes the worker, whatever is behind it. */
export const describeEngineContract = (harness: EngineHarness): void => {
  describe(`engine contract: ${harness.name}`, () => {
    const subjects: EngineSubject[] = [];
    const start = async (simulated: SimulatedOptions = {}): Promise<EngineSubject> => {
      const subject = await harness.start({ ...FAST, ...simulated });
      subjects.push(subject);
      return subject;
    };
    afterEach(async () => {
      for (const subject of subjects.splice(0)) {
        await subject.engine.close();
        expect(await subject.leftovers()).toBe(0);
        await subject.close();
      }
    });

    describeOutput(start);
    describeContinuation(start, harness.cuts);
    describeStopping(start, harness.abortMs);
  });
};

type Start = (simulated?: SimulatedOptions) => Promise<EngineSubject>;

const describeOutput = (start: Start): void => {
  test('names its models', async () => {
    const { engine } = await start({ models: ['small', 'large'] });
    expect(await engine.models(never())).toEqual(['small', 'large']);
  });

  // compat(engines): text, usage
  test('streams the whole text, token by token and in order, then its end and usage', async () => {
    const { engine, script } = await start();
    const request = requestOf('what is backpressure?');
    const { tokens, end } = await collect(engine.generate(request, never()));
    const expected = tokensUpTo(script(request), script(request).length);
    expect(tokens).toEqual(expected);
    expect(end).toMatchObject({
      reason: 'stop',
      usage: { prompt_tokens: expect.any(Number), completion_tokens: expected.length },
    });
  });

  test('passes on text of any script unharmed', async () => {
    const { engine, script } = await start({ tokens: 40, watermark: 'žluťoučký 漢字 🧗‍♀️ "\\\n' });
    const request = requestOf('x');
    const { tokens } = await collect(engine.generate(request, never()));
    expect(joined(tokens)).toBe(joined(tokensUpTo(script(request), 40)));
  });

  // compat(engines): bound
  test('ends with reason length when max_tokens is used up', async () => {
    const { engine } = await start();
    const { tokens, end } = await collect(
      engine.generate(requestOf('x', { params: { max_tokens: 7 } }), never()),
    );
    expect(tokens).toHaveLength(7);
    expect(end.reason).toBe('length');
  });

  // compat(engines): reasoning
  test('marks reasoning and keeps it apart from the text', async () => {
    const { engine, script } = await start({ reasoningTokens: 12, tokens: 30 });
    const request = requestOf('x');
    const { tokens } = await collect(engine.generate(request, never()));
    expect(tokens).toEqual(tokensUpTo(script(request), 30));
    expect(tokens.map(kindOf).lastIndexOf('reasoning')).toBe(11);
  });

  // compat(engines): tools
  test('marks tool calls, with id and name on the first piece, and ends with tool_calls', async () => {
    const toolCall = { name: 'get_weather', arguments: { city: 'Brno', days: [1, 2, 3] } };
    const { engine } = await start({ toolCall, tokens: 3 });
    const { tokens, end } = await collect(engine.generate(requestOf('x'), never()));
    const call = tokens.slice(3);
    expect(call.map(kindOf)).not.toContain('text');
    expect(call.map(toolOf).map((tool) => tool?.name)).toEqual([
      'get_weather',
      ...call.slice(1).map(() => undefined),
    ]);
    expect(toolOf(call[0] ?? '')).toMatchObject({ index: 0, id: expect.any(String) });
    expect(JSON.parse(joined(tokens, 'tool_call'))).toEqual(toolCall.arguments);
    expect(end.reason).toBe('tool_calls');
  });

  test('is pulled: while nobody asks, only a bounded part of the output is made', async () => {
    const { engine, madeWhileUnread } = await start({ source: 'ngram', tokens: 1_000_000 });
    const abort = new AbortController();
    const run = engine.generate(requestOf('x'), abort.signal);
    await run.next();
    expect(await madeWhileUnread()).toBeLessThan(200_000);
    abort.abort(new Error('enough'));
    await expect(run.next()).rejects.toThrow('enough');
  });
};

const describeContinuation = (start: Start, cuts: number): void => {
  // compat(vllm, sglang, llamacpp, ollama): continuation
  test('continues a text from any token with exactly what would have followed', async () => {
    const { engine, script } = await start();
    if (!engine.canContinue(['some text'])) return;
    const cut = fc.tuple(fc.string(), fc.double({ min: 0, max: 1, noNaN: true }));
    await fc.assert(
      fc.asyncProperty(cut, async ([content, share]) => {
        const request = requestOf(content);
        const whole = script(request);
        const seq = Math.floor(share * whole.length);
        const prefix = tokensUpTo(whole, seq);
        const { tokens, end } = await collect(engine.generate({ ...request, prefix }, never()));
        expect(textsOf([...prefix, ...tokens])).toBe(textsOf(tokensUpTo(whole, whole.length)));
        expect(end.reason).toBe('stop');
        expect(end.usage?.completion_tokens).toBe(whole.length);
      }),
      { numRuns: cuts },
    );
  });

  test('counts the continued tokens against max_tokens', async () => {
    const { engine, script } = await start();
    if (!engine.canContinue(['some text'])) return;
    for (let seq = 0; seq <= 25; seq += 1) {
      const request = requestOf('x', { params: { max_tokens: 25 } });
      const prefix = tokensUpTo(script(request), seq);
      const { tokens, end } = await collect(engine.generate({ ...request, prefix }, never()));
      expect(textsOf([...prefix, ...tokens])).toBe(textsOf(tokensUpTo(script(request), 25)));
      expect(end.reason).toBe('length');
    }
  });
};

const textsOf = (tokens: readonly Token[]): string => tokens.map(textOf).join('');

const describeStopping = (start: Start, abortMs: number): void => {
  // compat(engines): lost connection
  test('fails as unavailable when what is behind it breaks off, having invented nothing', async () => {
    const { engine, script } = await start({ crashAtToken: 5 });
    const request = requestOf('x');
    const tokens: Token[] = [];
    const run = async (): Promise<void> => {
      for await (const token of engine.generate(request, never())) tokens.push(token);
    };
    await expect(run()).rejects.toMatchObject({ code: 'upstream_unavailable' });
    // A connection that breaks may take with it what was on its way.
    expect(tokens).toEqual(tokensUpTo(script(request), tokens.length));
    expect(tokens.length).toBeLessThan(5);
  });

  test('a signal that is aborted beforehand starts nothing', async () => {
    const { engine, running } = await start();
    const run = engine.generate(requestOf('x'), AbortSignal.abort(new Error('too late')));
    await expect(run.next()).rejects.toThrow('too late');
    expect(running()).toBe(0);
  });

  test('a consumer that returns early lets go of what is behind', async () => {
    const { engine, running } = await start({ tokensPerSecond: 1_000, source: 'ngram', tokens: 10_000 });
    for await (const _ of engine.generate(requestOf('x'), never())) break;
    await expectSoon(running, 0);
  });

  // compat(engines): cancel
  test('an abort settles promptly and with its reason, at any moment', async () => {
    const { engine, running } = await start({
      source: 'ngram',
      tokens: 100_000,
      tokensPerSecond: 200,
      ttftMs: 5,
    });
    const times: number[] = [];
    for (let round = 0; round < 50; round += 1) {
      const abort = new AbortController();
      const run = engine.generate(requestOf(`round ${round}`), abort.signal);
      // Every third abort comes before the first token, every third while nobody asks for the next one.
      for (let pulled = 0; pulled < round % 3; pulled += 1) await run.next();
      const pending = round % 3 === 2 ? undefined : run.next();
      if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      const began = performance.now();
      abort.abort(new Error('cancelled'));
      await expect(drained(run, pending)).rejects.toThrow('cancelled');
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    expect(times.at(-2)).toBeLessThan(abortMs);
    await expectSoon(running, 0);
  });
};

/** A token that was on its way when the abort came may still arrive; the next pull must not bring one. */
const drained = async (run: EngineRun, pending: ReturnType<EngineRun['next']> | undefined): Promise<void> => {
  const step = await (pending ?? run.next());
  expect(step.done).toBe(false);
  if (pending !== undefined) return drained(run, undefined);
};

const expectSoon = (value: () => number, expected: number): Promise<boolean> =>
  waitFor(() => value() === expected, { what: `${expected} of them`, pollMs: 2 });
