import { afterEach, beforeEach } from '@jest/globals';
import { World } from './world.ts';

/** Read `world` in a test, not before: each test has its own, and may put another in its place. */
export type Scene = { world: World };

/** Makes a world before each test of the file, and stops it after. */
export const freshScene = (): Scene => {
  const scene: Partial<Scene> = {};
  beforeEach(() => {
    scene.world = new World();
  });
  afterEach(() => scene.world?.stop());
  return scene as Scene;
};
