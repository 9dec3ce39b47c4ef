import { describe, expect, test } from '@jest/globals';
import { MAX_GENERATION_BYTES } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { ChunkWriter, EngineError } from '@sluice/core';
import { freshScene } from './support/scene.ts';
import { keyOf, words } from './support/world.ts';

const scene = freshScene();

describe('a run', () => {
  test('stores what the engine says and its end, then the item, then acks the job', async () => {
    await scene.world.start();
    await scene.world.submit('g');
    scene.world.engine.say('g', 'Hello', { kind: 'reasoning', text: 'hm' }, ' world');
    const usage = { prompt_tokens: 9, completion_tokens: 3 };
    scene.world.engine.end('g', { reason: 'stop', usage });
    const item = await scene.world.until('g', 'done');
    expect(item).toMatchObject({
      text: 'Hello world',
      reasoning: 'hm',
      reason: 'stop',
      seq: 3,
      attempt: 1,
      usage,
    });
    expect(await scene.world.head('g')).toMatchObject({ base: 0, end: { reason: 'stop' } });
    expect([...scene.world.hub.jobs.values()].flat()).toEqual([]);
  });

  test.each<[string, (g: string) => void]>([
    ['that its engine ends without a word of it', (g) => scene.world.engine.end(g)],
    ['that fails', (g) => scene.world.engine.fail(g, new Error('broken'))],
    ['that is cancelled', (g) => void scene.world.bus.control.cancel(keyOf(g), 'ann')],
  ])('%s tells an estimate of its usage', async (_what, finish) => {
    await scene.world.start();
    await scene.world.submit('g', { input: 'how are you?' });
    scene.world.engine.say('g', 'a', 'b', 'c');
    await waitFor(async () => (await scene.world.head('g'))?.tokens.length === 3, { what: 'its tokens' });
    finish('g');
    const usage = { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6, estimated: true };
    expect(await scene.world.until('g', 'done')).toMatchObject({ usage });
    expect((await scene.world.head('g'))?.end).toMatchObject({ usage });
  });

  test('counts what the engine had cached of its prompt, where the engine says so', async () => {
    const worker = await scene.world.start();
    const usages = [
      { prompt_tokens: 100, prompt_tokens_details: { cached_tokens: 64 } },
      { prompt_tokens: 50 },
      { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 'all' } },
      { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 11 } },
    ];
    for (const [at, usage] of usages.entries()) {
      await scene.world.submit(`g${at}`);
      scene.world.engine.end(`g${at}`, { reason: 'stop', usage });
      await scene.world.until(`g${at}`, 'done');
    }
    expect(Object.fromEntries(worker.tally.promptTokens)).toEqual({ hit: 64, miss: 36 });
  });

  test('of an engine that fails ends with its error, and keeps the text', async () => {
    await scene.world.start();
    await scene.world.submit('g');
    scene.world.engine.say('g', 'half');
    scene.world.engine.fail(
      'g',
      new EngineError('upstream_overloaded', 'the engine is busy', { status: 429 }),
    );
    expect(await scene.world.until('g', 'done')).toMatchObject({
      text: 'half',
      reason: 'error',
      error: { code: 'upstream_overloaded', message: 'the engine is busy' },
    });
  });

  test('of an engine that fails in an unexpected way tells nobody the details', async () => {
    await scene.world.start();
    await scene.world.submit('g');
    scene.world.engine.fail('g', new Error('secret: the prompt'));
    const item = await scene.world.until('g', 'done');
    expect(item.error?.code).toBe('internal');
    expect(JSON.stringify(item)).not.toContain('secret');
  });

  const MOST = 512 * 1024;

  test('ends with reason length when the text exceeds its limit', async () => {
    await scene.world.start('w1', { maxAnswerBytes: MOST });
    await scene.world.submit('g', { governor: 'none' });
    const piece = 'x'.repeat(16_000);
    for (let bytes = 0; bytes <= MOST + 16_000; bytes += 16_000) scene.world.engine.say('g', piece);
    const item = await scene.world.until('g', 'done');
    expect(item.reason).toBe('length');
    expect(item.text?.length).toBeLessThanOrEqual(MOST + 16_000);
    expect(scene.world.engine.aborts).toBe(1);
  });

  test('that outlives the time its tokens are kept ends with an error, and keeps its text', async () => {
    await scene.world.start('w1', { maxRunMs: 200 });
    await scene.world.submit('g');
    scene.world.engine.say('g', ...words(3));
    const item = await scene.world.until('g', 'done');
    expect(item).toMatchObject({ reason: 'error', error: { code: 'run_too_long' }, text: words(3).join('') });
    expect((await scene.world.head('g'))?.end).toMatchObject({ reason: 'error' });
    expect(scene.world.engine.aborts).toBe(1);
  });

  test('counts that time from the oldest token of an earlier attempt, but not where it starts over', async () => {
    const { world } = scene;
    const anHourAgo = Date.now() - 3_600_000;
    for (const generation of ['goes-on', 'starts-over']) {
      const { draft } = new ChunkWriter(1, 0, undefined).draft(words(2), anHourAgo);
      await world.bus.tokens.append(keyOf(generation), draft);
    }
    await world.start('w1', { maxRunMs: 1_800_000 });
    await world.submit('goes-on', {}, { attempt: 1 });
    expect((await world.until('goes-on', 'done')).error?.code).toBe('run_too_long');
    world.engine.continues = false;
    await world.submit('starts-over', {}, { attempt: 1 });
    world.engine.say('starts-over', 'new');
    world.engine.end('starts-over');
    expect(await world.until('starts-over', 'done')).toMatchObject({ reason: 'stop', text: 'new', epoch: 1 });
  });

  test.each(['\n', '\u0000', '"'])('counts a text of %j by what it takes in JSON', async (character) => {
    await scene.world.start('w1', { maxAnswerBytes: MOST });
    await scene.world.submit('g', { governor: 'none' });
    for (let said = 0; said < MOST; said += 8_000) scene.world.engine.say('g', character.repeat(8_000));
    const item = await scene.world.until('g', 'done');
    expect(item.reason).toBe('length');
    expect(Buffer.byteLength(JSON.stringify(item))).toBeLessThan(MOST + 64 * 1024);
  });

  test('gets turns of any length whole, and none of what cannot be read', async () => {
    await scene.world.start();
    const [question, answer, line] = ['q', 'a', 'l'].map((letter) => letter.repeat(60_000));
    await scene.world.submit('one', {}, { input: question ?? '' });
    scene.world.engine.say('one', answer ?? '');
    scene.world.engine.end('one');
    await scene.world.until('one', 'done');
    const message = { kind: 'message', user: 'bob', createdAt: 1, text: line ?? '' } as const;
    for (const id of ['note', 'lost'])
      await scene.world.bus.sessions.createItem(keyOf('x'), { ...message, id });
    for (const subject of scene.world.hub.bodies.keys())
      if (subject.includes('.lost.')) scene.world.hub.bodies.delete(subject);
    await scene.world.submit('two', { input: 'second?' });
    await waitFor(() => scene.world.engine.requests.length === 2, { what: 'the second run' });
    expect(scene.world.engine.requests[1]?.messages).toEqual([
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
      { role: 'user', content: line },
      { role: 'user', content: 'second?' },
    ]);
  });

  test('of 4 MiB is stored whole, and its slot is free', async () => {
    const worker = await scene.world.start('w1', { slots: 1 });
    await scene.world.submit('g', { governor: 'none' });
    const text = '"\n'.repeat(8_000);
    const times = Math.floor(MAX_GENERATION_BYTES / (text.length * 2));
    for (let n = 0; n < times; n += 1) scene.world.engine.say('g', text);
    scene.world.engine.end('g');
    const item = await scene.world.until('g', 'done');
    expect(item.reason).toBe('stop');
    expect(item.text === text.repeat(times)).toBe(true);
    await waitFor(() => worker.running === 0, { what: 'the slot to be free' });
  });

  test('builds the conversation from the session, oldest first, finished answers only', async () => {
    await scene.world.start();
    await scene.world.submit('one', { input: 'first?' });
    scene.world.engine.say('one', 'first!');
    scene.world.engine.end('one');
    await scene.world.until('one', 'done');
    await scene.world.bus.sessions.createItem(keyOf('x'), {
      id: 'note',
      kind: 'message',
      user: 'bob',
      createdAt: 1,
      text: 'by the way',
    });
    await scene.world.submit('two', { input: 'second?' });
    await waitFor(() => scene.world.engine.requests.length === 2, { what: 'the second run' });
    expect(scene.world.engine.requests[1]?.messages).toEqual([
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'first!' },
      { role: 'user', content: 'by the way' },
      { role: 'user', content: 'second?' },
    ]);
  });
});
