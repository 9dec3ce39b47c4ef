import { describe, expect, test } from '@jest/globals';
import { ChunkWriter } from '@sluice/core';
import { waitFor } from '@sluice/testkit';
import { freshScene } from './support/scene.ts';
import { keyOf, withAppend, words } from './support/world.ts';

const scene = freshScene();

describe('a job', () => {
  test('of a generation that is done, cancelled or of an older attempt is skipped', async () => {
    await scene.world.submit('done', {}, { status: 'done', attempt: 1 });
    await scene.world.submit('newer', {}, { attempt: 3 });
    await scene.world.bus.jobs.publish({ ...keyOf('newer'), model: 'm', attempt: 2 });
    await scene.world.start();
    await waitFor(() => scene.world.engine.requests.length === 1, { what: 'the only valid job' });
    expect(scene.world.engine.requests[0]?.generation).toBe('newer');
    expect(await scene.world.item('newer')).toMatchObject({ attempt: 4 });
    expect(await scene.world.item('done')).toMatchObject({ status: 'done', attempt: 1 });
  });

  test('delivered twice runs once', async () => {
    await scene.world.start('w1');
    await scene.world.start('w2');
    await scene.world.submit('g');
    await scene.world.until('g', 'running');
    for (const worker of ['w1', 'w2'])
      await scene.world.bus.jobs.publish({ ...keyOf('g'), model: 'm', attempt: 1 }, worker);
    scene.world.engine.say('g', 'a');
    scene.world.engine.end('g');
    await scene.world.until('g', 'done');
    expect(scene.world.engine.requests).toHaveLength(1);
  });
});

test('a generation whose log has expired starts over in an epoch that no attempt has used', async () => {
  await scene.world.submit('g', {}, { attempt: 2 });
  await scene.world.start();
  scene.world.engine.say('g', 'new');
  scene.world.engine.end('g');
  expect(await scene.world.until('g', 'done')).toMatchObject({ text: 'new', epoch: 2, attempt: 3, seq: 1 });
});

describe('a generation with a log', () => {
  const writeHead = async (tokens: readonly string[], attempt = 1): Promise<void> => {
    const writer = new ChunkWriter(attempt, 0, await scene.world.bus.tokens.head(keyOf('g')));
    const { draft } = writer.draft(tokens, 1);
    await scene.world.bus.tokens.append(keyOf('g'), draft);
  };

  const writeText = async (tokens: readonly string[]): Promise<void> => {
    const writer = new ChunkWriter(1);
    for (let written = 0; written < tokens.length;) {
      const { draft, taken } = writer.draft(tokens.slice(written), 1);
      const outcome = await scene.world.bus.tokens.append(keyOf('g'), draft);
      if (outcome.type !== 'stored') throw new Error(outcome.type);
      writer.stored(outcome.sequence);
      written += taken;
    }
  };

  test('is continued from its last token under a claim record, in the same epoch', async () => {
    await writeHead(['a', 'b']);
    await scene.world.submit('g', {}, { attempt: 1 });
    await scene.world.start();
    scene.world.engine.say('g', 'c');
    scene.world.engine.end('g');
    expect(await scene.world.until('g', 'done')).toMatchObject({ text: 'abc', epoch: 0, attempt: 2, seq: 3 });
    expect(scene.world.engine.requests[0]?.prefix).toEqual(['a', 'b']);
    expect(scene.world.records('g')[1]).toMatchObject({ attempt: 2, tokens: ['a', 'b'] });
  });

  test('is started again in the next epoch by an engine that cannot continue', async () => {
    await writeHead(['a', 'b']);
    scene.world.engine.continues = false;
    await scene.world.submit('g', {}, { attempt: 1 });
    await scene.world.start();
    scene.world.engine.say('g', 'x');
    scene.world.engine.end('g');
    expect(await scene.world.until('g', 'done')).toMatchObject({ text: 'x', epoch: 1, seq: 1 });
    expect(scene.world.engine.requests[0]?.prefix).toEqual([]);
  });

  test.each([
    ['hides all of it', 0, 20],
    ['hides its newest chunk', 1, 40],
    ['is on a chunk nobody used', 7, 40],
  ])('behind which a foreign message %s starts again in an epoch of its own', async (_, chunk, count) => {
    const { tokens } = scene.world.bus;
    await writeText(words(count));
    const head = await tokens.head(keyOf('g'));
    const { draft } = new ChunkWriter(2, 0, head).draft([], 1);
    await tokens.append(keyOf('g'), { ...draft, chunk, payload: '{}' });
    await scene.world.submit('g', {}, { attempt: 2 });
    await scene.world.start();
    scene.world.engine.say('g', 'x');
    scene.world.engine.end('g');
    // Attempt 2 may have begun epoch 1.
    expect(await scene.world.until('g', 'done')).toMatchObject({ text: 'x', epoch: 2, attempt: 3, seq: 1 });
    expect(scene.world.engine.requests[0]?.prefix).toEqual([]);
  });

  test('that has its end already is only settled: the engine is not asked', async () => {
    const writer = new ChunkWriter(1);
    const { draft } = writer.draft(['all'], 1, { reason: 'stop' });
    await scene.world.bus.tokens.append(keyOf('g'), draft);
    await scene.world.submit('g', {}, { attempt: 1 });
    await scene.world.start();
    expect(await scene.world.until('g', 'done')).toMatchObject({ text: 'all', reason: 'stop' });
    expect(scene.world.engine.requests).toHaveLength(0);
  });

  test('that an older attempt still writes to is read again, and that attempt is fenced', async () => {
    await writeHead(['a']);
    await scene.world.submit('g', {}, { attempt: 1 });
    let intruded = false;
    const bus = withAppend(scene.world.bus, (append) => async (key, draft) => {
      if (!intruded) {
        intruded = true;
        await writeHead(['b']);
      }
      return append(key, draft);
    });
    await scene.world.start('w1', { bus });
    scene.world.engine.say('g', 'c');
    scene.world.engine.end('g');
    expect(await scene.world.until('g', 'done')).toMatchObject({ text: 'abc', attempt: 2 });
    expect(scene.world.engine.requests.at(-1)?.prefix).toEqual(['a', 'b']);
  });

  test('that a newer attempt owns is left alone at once', async () => {
    const worker = await scene.world.start();
    await scene.world.submit('g');
    scene.world.engine.say('g', 'a');
    await waitFor(async () => (await scene.world.head('g')) !== undefined, { what: 'the first record' });
    await writeHead(['z'], 5);
    scene.world.engine.say('g', 'b');
    await waitFor(() => worker.running === 0, { what: 'the fenced run to stop' });
    expect(scene.world.engine.aborts).toBe(1);
    expect(await scene.world.item('g')).toMatchObject({ status: 'running', attempt: 1 });
    expect(worker.tally.fenced).toBe(1);
  });
});
