import { afterEach, beforeEach } from '@jest/globals';
import { ManualClock } from '@sluice/testkit';
import type { FakeWorker } from './fake-worker.ts';
import { createWorld } from './world.ts';
import type { TestEdge, World } from './world.ts';

/** A world with one worker and one edge. Read its parts in a test, not before: each test has its own. */
export type Scene = {
  readonly world: World;
  readonly worker: FakeWorker;
  /** a test may put another edge in its place */
  target: TestEdge;
  /** the edge's time, where it is manual */
  readonly clock: ManualClock;
};

/** Sets a scene before each test of the file, and closes it after. @param time of the edge; default the system's */
export const freshScene = (time: 'manual' | 'system' = 'system'): Scene => {
  const scene: { -readonly [Part in keyof Scene]?: Scene[Part] } = {};
  beforeEach(async () => {
    const [world, clock] = [createWorld(), new ManualClock(Date.now())];
    Object.assign(scene, { world, clock });
    scene.worker = await world.addWorker();
    scene.target = await world.addEdge(time === 'manual' ? { clock } : {});
  });
  afterEach(() => scene.world?.close());
  return scene as Scene;
};
