import { describe, expect, test } from '@jest/globals';
import type { RawClient } from '@sluice/testkit';
import { waitFor } from '@sluice/testkit';
import { askOk, settled, textOf } from '../support/asking.ts';
import { attachmentScene, subscribe } from '../support/attachment-scene.ts';
import type { FakeRun } from '../support/fake-worker.ts';
import { tokenOf } from '../support/world.ts';

const scene = attachmentScene();
const READ = { user: 'bob', scope: 'read' };

const ack = (seq: number) => ({
  ...{ type: 'ack', session: 's1', generation: scene.key.generation, epoch: 0, seq },
});

/** A run of the slowest, which its author and another viewer have in full. */
const watchedBy = async (viewer: RawClient): Promise<FakeRun> => {
  await askOk(viewer, subscribe());
  await askOk(scene.author, { ...scene.prompt(), governor: 'slowest' });
  const run = await scene.worker.claim(scene.key);
  await run.serve();
  await run.write('a', 'b', 'c');
  await scene.untilText(scene.author, 'abc');
  await scene.untilText(viewer, 'abc');
  return run;
};

const untilAcked = (run: FakeRun, seq: number): Promise<unknown> =>
  waitFor(() => run.acks.at(-1)?.seq === seq, { what: `an ack of ${seq}`, pollMs: 1 });

describe('a viewer that may not prompt', () => {
  test('is present, gets everything, and has no say in how fast a run goes', async () => {
    const reader = await scene.target.open(READ);
    const run = await watchedBy(reader);
    expect(scene.author.frames('subscribed').at(-1)).toMatchObject({ viewers: 2 });
    scene.author.send(ack(3));
    await untilAcked(run, 3);
    expect(run.acks.at(-1)).toMatchObject({ viewers: 1 });
    await askOk(reader, ack(1));
    scene.author.send(ack(3));
    await settled(scene.author);
    expect(run.acks.at(-1)).toMatchObject({ seq: 3, viewers: 1 });
    expect(textOf(reader, scene.key.generation)).toBe('abc');
  });

  test('revives nothing that is parked, by its coming or by its acks', async () => {
    const run = await scene.running('a');
    await scene.untilText(scene.author, 'a');
    scene.author.terminate();
    await run.park();
    const reader = await scene.target.open(READ);
    await askOk(reader, subscribe());
    await scene.untilText(reader, 'a');
    await askOk(reader, ack(1));
    await settled(reader);
    const { item } = (await scene.world.bus.sessions.item(scene.key, scene.key.generation)) ?? {};
    expect(item).toMatchObject({ status: 'parked' });
    await askOk(await scene.target.open(), subscribe());
    await scene.worker.claim(scene.key);
  });

  test('has no say either once a newer credential takes it away, and has it back with the next', async () => {
    const viewer = await scene.target.open({ user: 'bob' });
    const run = await watchedBy(viewer);
    scene.author.send(ack(3));
    await untilAcked(run, 0);
    await askOk(viewer, { type: 'auth', token: tokenOf(READ) });
    await untilAcked(run, 3);
    await askOk(viewer, { type: 'auth', token: tokenOf({ user: 'bob' }) });
    await untilAcked(run, 0);
  });
});
