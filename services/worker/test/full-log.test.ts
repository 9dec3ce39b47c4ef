import { describe, expect, test } from '@jest/globals';
import { ChunkWriter } from '@sluice/core';
import type { Draft, PublishOutcome } from '@sluice/core';
import { waitFor } from '@sluice/testkit';
import { freshScene } from './support/scene.ts';
import { keyOf, withAppend } from './support/world.ts';

const scene = freshScene();

/** A worker on a token log that refuses some records, as a full one does. */
const startOnFull = (isRefused: (draft: Draft) => boolean): Promise<unknown> => {
  const refused: PublishOutcome = { type: 'limit', detail: '10077' };
  const bus = withAppend(
    scene.world.bus,
    (append) => (key, draft) => (isRefused(draft) ? Promise.resolve(refused) : append(key, draft)),
  );
  return scene.world.start('w1', { bus });
};

const stored = (count: number): Promise<boolean> =>
  waitFor(async () => (await scene.world.head('g'))?.tokens.length === count, { what: `${count} tokens` });

describe('a token log that is full', () => {
  test('does not make an error of a cancel that was answered', async () => {
    await startOnFull(({ final }) => final);
    await scene.world.submit('g');
    scene.world.engine.say('g', 'a', 'b');
    await stored(2);
    expect(await scene.world.bus.control.cancel(keyOf('g'), 'ann')).toMatchObject({ type: 'cancelling' });
    expect(await scene.world.until('g', 'done')).toMatchObject({ reason: 'cancelled', text: 'ab', seq: 2 });
  });

  test('does not make an error of an answer that it has all of, but for the end', async () => {
    await startOnFull(({ final }) => final);
    await scene.world.submit('g');
    scene.world.engine.say('g', 'a', 'b');
    await stored(2);
    scene.world.engine.end('g', { reason: 'length' });
    expect(await scene.world.until('g', 'done')).toMatchObject({ reason: 'length', text: 'ab', seq: 2 });
  });

  test('leaves the old text where a new one cannot begin, at the position that viewers have', async () => {
    const writer = new ChunkWriter(1);
    await scene.world.bus.tokens.append(keyOf('g'), writer.draft(['a', 'b'], 1).draft);
    scene.world.engine.continues = false;
    await startOnFull(({ attempt }) => attempt === 2);
    await scene.world.submit('g', {}, { attempt: 1 });
    expect(await scene.world.until('g', 'done')).toMatchObject({
      ...{ error: { code: 'storage_limit' }, text: 'ab', epoch: 0, seq: 2, usage: { completion_tokens: 2 } },
    });
  });
});
