import { describe, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { cancelGeneration } from '@sluice/lifecycle';
import { systemClock } from '@sluice/runtime';
import { deferred } from '@sluice/testkit';
import { freshScene } from './support/scene.ts';
import { keyOf, withAppend, words } from './support/world.ts';

const scene = freshScene();

const cancel = (): Promise<void> =>
  cancelGeneration({ bus: scene.world.bus, clock: systemClock }, keyOf('g'), {
    user: 'ann',
    authorize: () => undefined,
  });

/** The bus on which an item of this status is written only once it is let. */
const holding = (status: StoredGeneration['status']) => {
  const { bus } = scene.world;
  const [reached, let_] = [deferred<void>(), deferred<void>()];
  const updateItem: Bus['sessions']['updateItem'] = async (key, item, rev) => {
    if (item.kind === 'generation' && item.status === status) {
      reached.resolve();
      await let_.promise;
    }
    return bus.sessions.updateItem(key, item, rev);
  };
  return { bus: { ...bus, sessions: { ...bus.sessions, updateItem } }, reached, let: let_ };
};

describe('a cancel that was answered holds', () => {
  test('when it comes while the parked item is being written', async () => {
    const gate = holding('parked');
    await scene.world.start('w1', { bus: gate.bus });
    await scene.world.submit('g', { lead: 'strict' });
    scene.world.engine.say('g', ...words(40));
    await gate.reached.promise;
    const cancelled = cancel();
    gate.let.resolve();
    await cancelled;
    expect(await scene.world.item('g')).toMatchObject({ status: 'done', reason: 'cancelled', seq: 16 });
  });

  test('when it comes while the item of a run that drains is being written', async () => {
    const gate = holding('queued');
    const worker = await scene.world.start('w1', { bus: gate.bus });
    await scene.world.submit('g');
    scene.world.engine.say('g', 'a');
    await scene.world.until('g', 'running');
    const closing = worker.close();
    await gate.reached.promise;
    const cancelled = cancel();
    gate.let.resolve();
    await Promise.all([cancelled, closing]);
    expect(await scene.world.until('g', 'done')).toMatchObject({ reason: 'cancelled' });
  });

  test('when it comes while the last tokens are being stored for parking', async () => {
    const [reached, let_] = [deferred<void>(), deferred<void>()];
    const bus = withAppend(scene.world.bus, (next) => async (key, draft) => {
      if (draft.head === 16) {
        reached.resolve();
        await let_.promise;
      }
      return next(key, draft);
    });
    const worker = await scene.world.start('w1', { bus });
    await scene.world.submit('g', { lead: 'strict' });
    scene.world.engine.say('g', ...words(16));
    await reached.promise;
    const closing = worker.close();
    await cancel();
    let_.resolve();
    await closing;
    const item = await scene.world.until('g', 'done');
    expect(item).toMatchObject({ reason: 'cancelled', seq: 16 });
    expect(item.receipt?.tokensAfterCancel).toBe(0);
  });
});
