/** What a viewer is told of a run whose first tokens are no longer kept. */
import { describe, expect, test } from '@jest/globals';
import { altered } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { askOk, codeOf, settled, textOf } from '../support/asking.ts';
import { attachmentScene, endOf, expectTiled, subscribe } from '../support/attachment-scene.ts';
import type { FakeRun } from '../support/fake-worker.ts';

const scene = attachmentScene();
const { at, running } = scene;

const TOKENS = Array.from({ length: 70 }, (_, index) => `${index} `);
const TEXT = TOKENS.join('');

/** A run of three chunks, the first of which has expired. */
const cutRun = async (): Promise<FakeRun> => {
  const run = await running(...TOKENS);
  const { org, session, generation } = scene.key;
  const chunks = scene.world.hub.chunks.get(`${org}.${session}.${generation}`);
  for (const subject of chunks?.keys() ?? []) if (subject.endsWith('.0')) chunks?.delete(subject);
  return run;
};
/** Comes to an edge that has no copy of the log. */
const lateViewer = async (frame: Parameters<typeof subscribe>[0] = {}): Promise<RawClient> => {
  const other = await scene.world.addEdge({ clock: scene.clock });
  const late = await other.open();
  await askOk(late, subscribe(frame));
  return late;
};

describe('a viewer from before the tokens that are kept', () => {
  test('is told so once, then gets the whole text and the end when the run is done', async () => {
    const run = await cutRun();
    const late = await lateViewer();
    expect(await late.nextFrame('error')).toMatchObject({
      code: 'not_found',
      generation: scene.key.generation,
      retryable: false,
    });
    await run.write('more ');
    await settled(late);
    expect(late.frames('delta')).toEqual([]);
    await run.end();
    expect(await endOf(late)).toMatchObject({ reason: 'stop', epoch: 0, seq: 71 });
    expect(textOf(late, scene.key.generation)).toBe(`${TEXT}more `);
    expectTiled(late.frames('delta'));
    for (const type of ['error', 'end'] as const) expect(late.frames(type)).toHaveLength(1);
  });

  test('gets them though the item that says done was lost on its way', async () => {
    const run = await cutRun();
    const other = await scene.world.addEdge({
      clock: scene.clock,
      prepare: ({ bus }) => {
        const { tail } = bus.tokens;
        Object.assign(bus.tokens, {
          tail: (...[key, listener]: Parameters<typeof tail>) =>
            tail(key, altered(listener, { item: () => undefined })),
        });
      },
    });
    const late = await other.open();
    await askOk(late, subscribe());
    await late.nextFrame('error');
    await run.end();
    while (late.frames('end').length === 0) {
      scene.clock.advance(500);
      await settled(late);
    }
    expect(textOf(late, scene.key.generation)).toBe(TEXT);
  });

  test('holds up nobody: it acks nothing', async () => {
    const run = await cutRun();
    await run.serve();
    const late = await lateViewer();
    await late.nextFrame('error');
    scene.clock.advance(6_000);
    await settled(late);
    expect(run.acks.findLast(({ edge }) => edge === 'edge-2')?.viewers ?? 0).toBe(0);
  });

  test('gets the text of a run that starts again', async () => {
    const run = await cutRun();
    const late = await lateViewer();
    await late.nextFrame('error');
    await run.requeue();
    const again = await scene.worker.claim(scene.key, { newEpoch: true });
    await again.write('new');
    await again.end();
    await endOf(late);
    expect(late.frames('reset')).toMatchObject([{ epoch: 1 }]);
    expect(textOf(late, scene.key.generation)).toBe('new');
  });
});

test('a viewer within the tokens that are kept notices nothing', async () => {
  const run = await cutRun();
  const back = await lateViewer(at(0, 40));
  await run.end();
  await endOf(back);
  expectTiled(back.frames('delta'), 40);
  expect(back.frames('error')).toEqual([]);
  expect(await codeOf(back, { type: 'ping' })).toBe('ok');
});
