import { describe, expect, test } from '@jest/globals';
import { BusUnavailableError } from '@sluice/bus';
import { waitFor } from '@sluice/testkit';
import { askOk, textOf } from '../support/asking.ts';
import { attachmentScene, endOf, subscribe } from '../support/attachment-scene.ts';
import type { FakeRun } from '../support/fake-worker.ts';
import type { TestEdge } from '../support/world.ts';

const scene = attachmentScene();
const { at, finished, running } = scene;

describe('a log that cannot be read for a moment', () => {
  /** The next reads of heads fail, as during an election, on this edge alone. */
  const failHeads = ({ recording }: TestEdge, times: number): void => {
    const { head } = recording.bus.tokens;
    let left = times;
    Object.assign(recording.bus.tokens, {
      head: (...args: Parameters<typeof head>) => {
        left -= 1;
        return left >= 0 ? Promise.reject(new BusUnavailableError('an election')) : head(...args);
      },
    });
  };
  /** Time goes on for the edge until it holds. */
  const whileTimePasses = (holds: () => boolean, what: string): Promise<true> =>
    waitFor(
      () => {
        scene.clock.advance(100);
        return holds() as true;
      },
      { what, timeoutMs: 8_000 },
    );

  /** A viewer that comes to an edge whose reads go wrong gets all of a run of `ab`, and what follows. */
  const expectServed = async (other: TestEdge, run: FakeRun): Promise<void> => {
    const late = await other.open();
    await askOk(late, subscribe());
    await run.write('c');
    await whileTimePasses(() => textOf(late, scene.key.generation) === 'abc', 'the text so far');
    await run.end();
    await endOf(late);
  };

  test('is read again for a viewer who has nothing yet, though live records go on', async () => {
    const run = await running('a', 'b');
    const other = await scene.world.addEdge({ clock: scene.clock });
    failHeads(other, 2);
    await expectServed(other, run);
  });

  test('is read again when the first read brings neither an answer nor an error', async () => {
    const run = await running('a', 'b');
    const other = await scene.world.addEdge({ clock: scene.clock });
    const { head } = other.recording.bus.tokens;
    let reads = 0;
    Object.assign(other.recording.bus.tokens, {
      head: (...args: Parameters<typeof head>) => {
        reads += 1;
        return reads === 1 ? new Promise(() => undefined) : head(...args);
      },
    });
    await expectServed(other, run);
  });

  test('is read again for a viewer of the ended whose place is further back', async () => {
    const tokens = Array.from({ length: 80 }, (_, index) => `${index} `);
    await finished(...tokens);
    const other = await scene.world.addEdge({ clock: scene.clock });
    const near = await other.open();
    await askOk(near, subscribe(at(0, 80)));
    await endOf(near);
    failHeads(other, 2);
    const far = await other.open();
    await askOk(far, subscribe(at(0, 0)));
    await whileTimePasses(() => far.frames('end').length > 0, 'the end');
    expect(textOf(far, scene.key.generation)).toBe(tokens.join(''));
  });
});
