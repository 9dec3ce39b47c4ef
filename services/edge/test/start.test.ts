import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import type { RecordingBus } from './support/recording-bus.ts';
import { createWorld } from './support/world.ts';
import type { World } from './support/world.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
afterEach(() => world.close());

test('an edge that NATS leaves while it starts waits for it, and then serves', async () => {
  let recording: RecordingBus | undefined;
  const starting = world.addEdge({
    prepare: (its) => {
      recording = its;
      its.isDown = true;
    },
  });
  const tries = (): number => recording?.operations.filter((name) => name === 'relay.serve').length ?? 0;
  await waitFor(() => tries() >= 2, { what: 'a second try' });
  Object.assign(recording as RecordingBus, { isDown: false });
  const edge = await starting;
  const client = await edge.open();
  expect(client.frames('ready')).toHaveLength(1);
});
