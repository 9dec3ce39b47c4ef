import { expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import { ChunkWriter } from '@sluice/core';
import { askOk, keyOf, newId } from '../support/asking.ts';
import { freshScene } from '../support/scene.ts';

const scene = freshScene();

const promptOf = async (generation: string) => scene.world.bus.sessions.prompt(keyOf('s1', generation));

const line = async (text: string): Promise<void> => {
  const client = await scene.target.open();
  await askOk(client, { type: 'message', session: 's1', message: newId(), text });
};

test('a prompt tells up to where its session counts, in items and in the log', async () => {
  const { bus } = scene.world;
  const client = await scene.target.open();
  const [first, second] = [newId(), newId()];
  await askOk(client, { type: 'prompt', session: 's1', generation: first, input: 'one?' });
  expect((await promptOf(first))?.history).toEqual({ rev: 0, log: 0 });
  await line('between');
  // The end is seen, and its item does not say so yet.
  const { draft } = new ChunkWriter(1).draft(['1'], 1, { reason: 'stop' });
  await bus.tokens.append(keyOf('s1', first), draft);
  await waitFor(() => client.frames('end').length === 1, { what: 'the end' });
  const [rev, log] = [
    await bus.sessions.newestRev(keyOf('s1', first)),
    await bus.tokens.newest(keyOf('s1', first)),
  ];
  await askOk(client, { type: 'prompt', session: 's1', generation: second, input: 'two?' });
  expect((await promptOf(second))?.history).toEqual({ rev, log });
  expect([rev > 0, log > 0]).toEqual([true, true]);
});

test('a prompt with messages of its own needs nothing of the session', async () => {
  const client = await scene.target.open();
  const generation = newId();
  const messages = [{ role: 'user', content: 'only this' }];
  await askOk(client, { type: 'prompt', session: 's1', generation, messages });
  expect(await promptOf(generation)).not.toHaveProperty('history');
  expect(scene.target.recording.operations).not.toContain('tokens.newest');
});
