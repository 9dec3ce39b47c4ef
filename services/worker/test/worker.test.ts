import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BusUnavailableError } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { ChunkWriter } from '@sluice/core';
import type { PublishOutcome } from '@sluice/core';
import { MAX_GENERATION_BYTES } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import { deferred, waitFor } from '@sluice/testkit';
import { EngineError } from '../src/engines/engine.ts';
import { ScriptedEngine } from './support/scripted-engine.ts';
import { World, keyOf } from './support/world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.stop());

const words = (count: number, from = 1): string[] => Array.from({ length: count }, (_, i) => `w${from + i} `);

/** The bus with another way to append. */
const withAppend = (bus: Bus, append: (next: Bus['tokens']['append']) => Bus['tokens']['append']): Bus => ({
  ...bus,
  tokens: { ...bus.tokens, append: append(bus.tokens.append) },
});

describe('a run', () => {
  test('stores what the engine says and its end, then the item, then acks the job', async () => {
    await world.start();
    await world.submit('g');
    world.engine.say('g', 'Hello', { kind: 'reasoning', text: 'hm' }, ' world');
    world.engine.end('g', { reason: 'stop', usage: { completion_tokens: 3 } });
    const item = await world.until('g', 'done');
    expect(item).toMatchObject({
      text: 'Hello world',
      reasoning: 'hm',
      reason: 'stop',
      seq: 3,
      attempt: 1,
      usage: { completion_tokens: 3 },
    });
    expect(await world.head('g')).toMatchObject({ base: 0, end: { reason: 'stop' } });
    expect([...world.hub.jobs.values()].flat()).toEqual([]);
  });

  test('counts what the engine had cached of its prompt, where the engine says so', async () => {
    const worker = await world.start();
    const usages = [
      { prompt_tokens: 100, prompt_tokens_details: { cached_tokens: 64 } },
      { prompt_tokens: 50 },
      { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 'all' } },
      { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 11 } },
    ];
    for (const [at, usage] of usages.entries()) {
      await world.submit(`g${at}`);
      world.engine.end(`g${at}`, { reason: 'stop', usage });
      await world.until(`g${at}`, 'done');
    }
    const text = await worker.metrics.registry.metrics();
    expect(text).toMatch(/sluice_worker_prompt_tokens_total\{[^}]*cache="hit"[^}]*\} 64\n/);
    expect(text).toMatch(/sluice_worker_prompt_tokens_total\{[^}]*cache="miss"[^}]*\} 36\n/);
  });

  test('of an engine that fails ends with its error, and keeps the text', async () => {
    await world.start();
    await world.submit('g');
    world.engine.say('g', 'half');
    world.engine.fail('g', new EngineError('upstream_overloaded', 'the engine is busy', { status: 429 }));
    expect(await world.until('g', 'done')).toMatchObject({
      text: 'half',
      reason: 'error',
      error: { code: 'upstream_overloaded', message: 'the engine is busy' },
    });
  });

  test('of an engine that fails in an unexpected way tells nobody the details', async () => {
    await world.start();
    await world.submit('g');
    world.engine.fail('g', new Error('secret: the prompt'));
    const item = await world.until('g', 'done');
    expect(item.error?.code).toBe('internal');
    expect(JSON.stringify(item)).not.toContain('secret');
  });

  test('ends with reason length when the text exceeds its limit', async () => {
    await world.start();
    await world.submit('g', { governor: 'none' });
    const piece = 'x'.repeat(16_000);
    for (let bytes = 0; bytes <= MAX_GENERATION_BYTES + 16_000; bytes += 16_000) world.engine.say('g', piece);
    const item = await world.until('g', 'done');
    expect(item.reason).toBe('length');
    expect(item.text?.length).toBeLessThanOrEqual(MAX_GENERATION_BYTES + 16_000);
    expect(world.engine.aborts).toBe(1);
  });

  test('builds the conversation from the session, oldest first, finished answers only', async () => {
    await world.start();
    await world.submit('one', { input: 'first?' });
    world.engine.say('one', 'first!');
    world.engine.end('one');
    await world.until('one', 'done');
    await world.bus.sessions.createItem(keyOf('x'), {
      id: 'note',
      kind: 'message',
      user: 'bob',
      createdAt: 1,
      text: 'by the way',
    });
    await world.submit('two', { input: 'second?' });
    await waitFor(() => world.engine.requests.length === 2, { what: 'the second run' });
    expect(world.engine.requests[1]?.messages).toEqual([
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'first!' },
      { role: 'user', content: 'by the way' },
      { role: 'user', content: 'second?' },
    ]);
  });
});

describe('a job', () => {
  test('of a generation that is done, cancelled or of an older attempt is skipped', async () => {
    await world.submit('done', {}, { status: 'done', attempt: 1 });
    await world.submit('newer', {}, { attempt: 3 });
    await world.bus.jobs.publish({ ...keyOf('newer'), model: 'm', attempt: 2 });
    await world.start();
    await waitFor(() => world.engine.requests.length === 1, { what: 'the only valid job' });
    expect(world.engine.requests[0]?.generation).toBe('newer');
    expect(await world.item('newer')).toMatchObject({ attempt: 4 });
    expect(await world.item('done')).toMatchObject({ status: 'done', attempt: 1 });
  });

  test('delivered twice runs once', async () => {
    await world.start('w1');
    await world.start('w2');
    await world.submit('g');
    world.hub.jobIds.clear();
    await world.bus.jobs.publish({ ...keyOf('g'), model: 'm', attempt: 1 });
    world.engine.say('g', 'a');
    world.engine.end('g');
    await world.until('g', 'done');
    expect(world.engine.requests).toHaveLength(1);
  });
});

describe('a generation with a log', () => {
  const writeHead = async (tokens: readonly string[], attempt = 1): Promise<void> => {
    const writer = new ChunkWriter(attempt, 0, await world.bus.tokens.head(keyOf('g')));
    const { draft } = writer.draft(tokens, 1);
    await world.bus.tokens.append(keyOf('g'), draft);
  };

  test('is continued from its last token under a claim record, in the same epoch', async () => {
    await writeHead(['a', 'b']);
    await world.submit('g', {}, { attempt: 1 });
    await world.start();
    world.engine.say('g', 'c');
    world.engine.end('g');
    expect(await world.until('g', 'done')).toMatchObject({ text: 'abc', epoch: 0, attempt: 2, seq: 3 });
    expect(world.engine.requests[0]?.prefix).toEqual(['a', 'b']);
    expect(world.records('g')[1]).toMatchObject({ attempt: 2, tokens: ['a', 'b'] });
  });

  test('is started again in the next epoch by an engine that cannot continue', async () => {
    await writeHead(['a', 'b']);
    world.engine.continues = false;
    await world.submit('g', {}, { attempt: 1 });
    await world.start();
    world.engine.say('g', 'x');
    world.engine.end('g');
    expect(await world.until('g', 'done')).toMatchObject({ text: 'x', epoch: 1, seq: 1 });
    expect(world.engine.requests[0]?.prefix).toEqual([]);
  });

  test('that has its end already is only settled: the engine is not asked', async () => {
    const writer = new ChunkWriter(1);
    const { draft } = writer.draft(['all'], 1, { reason: 'stop' });
    await world.bus.tokens.append(keyOf('g'), draft);
    await world.submit('g', {}, { attempt: 1 });
    await world.start();
    expect(await world.until('g', 'done')).toMatchObject({ text: 'all', reason: 'stop' });
    expect(world.engine.requests).toHaveLength(0);
  });

  test('that an older attempt still writes to is read again, and that attempt is fenced', async () => {
    await writeHead(['a']);
    await world.submit('g', {}, { attempt: 1 });
    let intruded = false;
    const bus = withAppend(world.bus, (append) => async (key, draft) => {
      if (!intruded) {
        intruded = true;
        await writeHead(['b']);
      }
      return append(key, draft);
    });
    await world.start('w1', { bus });
    world.engine.say('g', 'c');
    world.engine.end('g');
    expect(await world.until('g', 'done')).toMatchObject({ text: 'abc', attempt: 2 });
    expect(world.engine.requests.at(-1)?.prefix).toEqual(['a', 'b']);
  });

  test('that a newer attempt owns is left alone at once', async () => {
    const worker = await world.start();
    await world.submit('g');
    world.engine.say('g', 'a');
    await waitFor(async () => (await world.head('g')) !== undefined, { what: 'the first record' });
    await writeHead(['z'], 5);
    world.engine.say('g', 'b');
    await waitFor(() => worker.running === 0, { what: 'the fenced run to stop' });
    expect(world.engine.aborts).toBe(1);
    expect(await world.item('g')).toMatchObject({ status: 'running', attempt: 1 });
    expect((await worker.metrics.fenced.get()).values[0]?.value).toBe(1);
  });
});

describe('storage', () => {
  test('whose answers get lost stores every token once', async () => {
    let tries = 0;
    const bus = withAppend(world.bus, (append) => async (key, draft): Promise<PublishOutcome> => {
      const outcome = await append(key, draft);
      tries += 1;
      return tries % 2 === 1 ? { type: 'unknown', detail: 'lost answer' } : outcome;
    });
    await world.start('w1', { bus });
    await world.submit('g', { governor: 'none' });
    for (const word of words(40)) world.engine.say('g', word);
    world.engine.end('g');
    expect((await world.until('g', 'done')).text).toBe(words(40).join(''));
    const last = world.records('g').at(-1);
    expect((last?.base ?? 0) + (last?.tokens.length ?? 0)).toBe(40);
  });

  test('that does not answer for half a minute makes the run go on in another attempt', async () => {
    let isAway = false;
    // Its job comes back late: that is not what the run goes on by.
    world = new World({ ackWaitMs: 60_000 });
    const bus = withAppend(
      world.bus,
      (append) => (key, draft) =>
        isAway ? Promise.resolve({ type: 'unknown', detail: 'no answer' }) : append(key, draft),
    );
    const clock: Clock = {
      now: () => Date.now() * 50,
      setTimeout: (fn, ms) => setTimeout(fn, ms / 50),
      clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
    };
    const worker = await world.start('w1', { bus, clock });
    await world.submit('g', { governor: 'none' });
    world.engine.say('g', 'a');
    await waitFor(async () => (await world.head('g')) !== undefined, { what: 'the first record' });
    isAway = true;
    world.engine.say('g', 'b');
    await waitFor(() => world.engine.aborts === 1, { what: 'the worker to give up' });
    isAway = false;
    await waitFor(() => world.engine.requests.length === 2, { what: 'the next attempt' });
    world.engine.say('g', 'c');
    world.engine.end('g');
    expect(await world.until('g', 'done')).toMatchObject({ text: 'ac', attempt: 2 });
    expect(worker.running).toBe(0);
  });

  test('that is full ends the generation with an error and the text that was stored', async () => {
    let room = 1;
    const bus = withAppend(world.bus, (append) => (key, draft) => {
      room -= 1;
      return room < 0 ? Promise.resolve({ type: 'limit', detail: '10077' }) : append(key, draft);
    });
    await world.start('w1', { bus });
    await world.submit('g');
    world.engine.say('g', 'kept');
    await waitFor(async () => (await world.head('g')) !== undefined, { what: 'the first record' });
    world.engine.say('g', 'refused');
    expect(await world.until('g', 'done')).toMatchObject({
      text: 'kept',
      seq: 1,
      reason: 'error',
      error: { code: 'storage_limit' },
    });
  });
});

describe('flow control', () => {
  test('holds at 16 in strict mode, parks after two seconds, and keeps every token', async () => {
    const worker = await world.start();
    await world.submit('g', { lead: 'strict' });
    world.engine.say('g', ...words(30));
    const parked = await world.until('g', 'parked');
    expect(parked).toMatchObject({ seq: 16, attempt: 1 });
    expect(world.engine.taken).toBe(16);
    expect(worker.running).toBe(0);
    expect(await world.head('g')).toMatchObject({ base: 0 });
  });

  test('does not park while it is storage that keeps viewers from acking, nor at once when it is back', async () => {
    let isAway = false;
    const bus = withAppend(
      world.bus,
      (append) => (key, draft) =>
        isAway ? Promise.resolve({ type: 'unknown', detail: 'no answer' }) : append(key, draft),
    );
    await world.start('w1', { bus });
    await world.submit('g', { lead: 'strict' });
    for (const word of words(3)) world.engine.say('g', word);
    await waitFor(async () => (await world.head('g'))?.tokens.length === 3, { what: 'three stored tokens' });
    isAway = true;
    const awaySince = performance.now();
    for (const word of words(17, 4)) world.engine.say('g', word);
    await waitFor(() => performance.now() - awaySince > 3_000, { what: 'three seconds of outage' });
    expect(await world.item('g')).toMatchObject({ status: 'running' });
    isAway = false;
    await waitFor(async () => (await world.head('g'))?.tokens.length === 16, {
      what: 'what was made to be stored',
    });
    world.ack('g', 16);
    world.engine.end('g');
    expect(await world.until('g', 'done')).toMatchObject({ attempt: 1, seq: 20 });
  }, 15_000);

  test('holds on without parking where the engine could not continue', async () => {
    world.engine.continues = false;
    const worker = await world.start();
    await world.submit('g', { lead: 'strict' });
    world.engine.say('g', ...words(20));
    await waitFor(() => worker.metrics.running !== undefined && world.engine.taken === 16, {
      what: 'the hold',
    });
    world.ack('g', 16);
    world.engine.end('g');
    expect(await world.until('g', 'done')).toMatchObject({ seq: 20, attempt: 1 });
  });
});

describe('a worker that dies', () => {
  const die = async (name: string, generation: string): Promise<void> => {
    // Its beats stop; what it ran is known from the last of them.
    await world.bus.workers.announce({
      worker: name,
      models: ['m'],
      slots: 1,
      running: [{ ...keyOf(generation), attempt: 1 }],
    });
  };

  test('has its generations continued by another', async () => {
    await die('dead', 'g');
    await world.submit('g', {}, { status: 'running', attempt: 1, worker: 'dead' });
    world.forgetJobs();
    await world.start('alive');
    world.engine.say('g', 'on');
    world.engine.end('g');
    expect(await world.until('g', 'done')).toMatchObject({ attempt: 2, crashes: 1, text: 'on' });
  }, 15_000);

  test('has its generations continued though nothing could be written for a while', async () => {
    let refusals = 6;
    const refuse = async <Result>(write: () => Promise<Result>): Promise<Result> => {
      refusals -= 1;
      if (refusals >= 0) throw new BusUnavailableError('an election');
      return write();
    };
    const { sessions, jobs } = world.bus;
    const bus: Bus = {
      ...world.bus,
      sessions: { ...sessions, updateItem: (...args) => refuse(() => sessions.updateItem(...args)) },
      jobs: { ...jobs, publish: (job) => refuse(() => jobs.publish(job)) },
    };
    await die('dead', 'g');
    await world.submit('g', {}, { status: 'running', attempt: 1, worker: 'dead' });
    world.forgetJobs();
    await world.start('alive', { bus });
    world.engine.say('g', 'on');
    world.engine.end('g');
    expect(
      await waitFor(() => world.until('g', 'done'), { what: 'the end', timeoutMs: 14_000 }),
    ).toMatchObject({
      ...{ attempt: 2, crashes: 1, text: 'on' },
    });
  }, 20_000);

  test('between taking a job and claiming it has the generation continued by another', async () => {
    world = new World({ ackWaitMs: 60_000 });
    const { sessions, jobs, workers } = world.bus;
    const taken = deferred<void>();
    let isDead = false;
    const dead = deferred<never>();
    const dying: Bus = {
      ...world.bus,
      sessions: {
        ...sessions,
        updateItem: () => {
          isDead = true;
          taken.resolve();
          return dead.promise;
        },
      },
      jobs: { ...jobs, pull: (...args) => (isDead ? dead.promise : jobs.pull(...args)) },
      // Of its beats only the word of what it has just taken is heard.
      workers: { ...workers, beat: (beat) => (beat.isExtra === true ? workers.beat(beat) : undefined) },
    };
    const later: Bus = {
      ...world.bus,
      jobs: { ...jobs, pull: (...args) => taken.promise.then(() => jobs.pull(...args)) },
    };
    await world.start('alive', { bus: later });
    await world.start('dying', { bus: dying });
    await world.submit('g');
    world.engine.say('g', 'on');
    world.engine.end('g');
    const item = await world.until('g', 'done').finally(() => dead.reject(new Error('it was dead')));
    // What nobody had begun killed nobody, as far as one can tell.
    expect(item).toMatchObject({ attempt: 2, allCrashes: 1, text: 'on' });
    expect(item).not.toHaveProperty('crashes');
  }, 15_000);

  test('for the third time ends the generation with an error', async () => {
    await die('dead', 'g');
    await world.submit('g', {}, { status: 'running', attempt: 1, worker: 'dead', crashes: 2 });
    world.forgetJobs();
    await world.start('alive');
    expect(await world.until('g', 'done')).toMatchObject({
      reason: 'error',
      error: { code: 'worker_crashed' },
    });
    expect(world.engine.requests).toHaveLength(0);
  }, 15_000);

  test('for the third time has a generation that got further continued', async () => {
    await die('dead', 'g');
    const count = { crashes: 2, crashSeq: 0, allCrashes: 2 };
    await world.submit('g', {}, { status: 'running', attempt: 1, worker: 'dead', ...count });
    await world.bus.tokens.append(keyOf('g'), new ChunkWriter(1).draft(words(9), 1).draft);
    world.forgetJobs();
    await world.start('alive');
    world.engine.end('g');
    expect(await world.until('g', 'done')).toMatchObject({
      ...{ reason: 'stop', text: words(9).join(''), attempt: 2 },
      ...{ crashes: 1, crashSeq: 9, allCrashes: 3 },
    });
  }, 15_000);

  test('for the tenth time ends the generation, however far it gets', async () => {
    await die('dead', 'g');
    const count = { crashes: 1, crashSeq: 0, allCrashes: 9 };
    await world.submit('g', {}, { status: 'running', attempt: 1, worker: 'dead', ...count });
    await world.bus.tokens.append(keyOf('g'), new ChunkWriter(1).draft(words(9), 1).draft);
    world.forgetJobs();
    await world.start('alive');
    expect(await world.until('g', 'done')).toMatchObject({
      ...{ reason: 'error', error: { code: 'worker_crashed' }, text: words(9).join(''), allCrashes: 10 },
    });
    expect(world.engine.requests).toHaveLength(0);
  }, 15_000);

  test('is not declared dead while nobody hears beats', async () => {
    await die('peer', 'g');
    await world.submit('g', {}, { status: 'running', attempt: 1, worker: 'peer' });
    world.forgetJobs();
    let beats = 0;
    const deaf: Bus = {
      ...world.bus,
      workers: {
        ...world.bus.workers,
        beat: () => {
          beats += 1;
        },
      },
    };
    await world.start('alive', { bus: deaf });
    await waitFor(() => beats >= 7, { what: 'seven beats that nobody hears', timeoutMs: 12_000 });
    expect(await world.item('g')).toMatchObject({ status: 'running', attempt: 1 });
  }, 20_000);
});

test('a worker that is closed hands its runs over, and another goes on from the same token', async () => {
  const first = await world.start('w1');
  await world.submit('g');
  world.engine.say('g', 'a', 'b');
  await waitFor(() => world.engine.taken === 2, { what: 'two tokens' });
  await first.close();
  expect(await world.item('g')).toMatchObject({ status: 'queued', attempt: 1 });
  const engine = new ScriptedEngine();
  engine.say('g', 'c');
  engine.end('g');
  await world.start('w2', { engine });
  expect(await world.until('g', 'done')).toMatchObject({ text: 'abc', attempt: 2 });
  expect(engine.requests[0]?.prefix).toEqual(['a', 'b']);
});

test('a worker that is back before anybody missed it takes up what it ran', async () => {
  await world.submit('g', {}, { status: 'running', attempt: 1, worker: 'w1' });
  world.forgetJobs();
  const running = [{ ...keyOf('g'), attempt: 1 }];
  await world.bus.workers.announce({ worker: 'w1', models: ['m'], slots: 4, running });
  await world.start('w1');
  world.engine.say('g', 'again');
  world.engine.end('g');
  expect(await world.until('g', 'done')).toMatchObject({ text: 'again', attempt: 2, crashes: 1 });
});
