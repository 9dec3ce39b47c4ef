import { getEventListeners } from 'node:events';
import { expect, test } from '@jest/globals';
import { ManualClock } from '@sluice/testkit';
import { EndWatch } from '../src/transports/end-watch.ts';
import { encodeFrame } from '../src/feeds/frames.ts';

const start = (mostMs?: number, isRefused = (): boolean => false) => {
  const clock = new ManualClock();
  const [gone, leaving] = [new AbortController(), new AbortController()];
  const watch = new EndWatch({ clock, until: [gone.signal, leaving.signal], mostMs, isRefused });
  return { clock, gone, leaving, watch };
};

test.each(['gone', 'leaving'] as const)(
  'a wait is over when its client or the edge is: %s',
  async (which) => {
    const scene = start();
    const news = scene.watch.news();
    expect(scene.watch.isOver).toBe(false);
    scene[which].abort();
    await news;
    expect(scene.watch.isOver).toBe(true);
  },
);

test('a wait is over half a second after its bearer is refused, and asks nobody after its end', async () => {
  let isRefused = false;
  const { clock, watch } = start(undefined, () => isRefused);
  const news = watch.news();
  clock.advance(500);
  expect(watch.isOver).toBe(false);
  isRefused = true;
  clock.advance(500);
  await news;
  expect(watch.isOver).toBe(true);
  watch.close();
  expect(clock.pending).toBe(0);
});

test('a wait is over when its time is up', async () => {
  const { clock, watch } = start(1_000);
  const news = watch.news();
  clock.advance(999);
  expect(watch.isOver).toBe(false);
  clock.advance(1);
  await news;
  expect(watch.isOver).toBe(true);
});

test('what came before anybody asked for news is not lost', async () => {
  const { watch } = start();
  const end = { type: 'end', session: 's', generation: 'g', epoch: 0, seq: 1, reason: 'stop' } as const;
  watch.send(encodeFrame(end));
  await watch.news();
  expect(watch.isOver).toBe(false);
});

test('a wait that is closed leaves nothing behind, though the edge lives on', () => {
  const { clock, gone, leaving, watch } = start(1_000);
  watch.close();
  for (const { signal } of [gone, leaving]) expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect(clock.pending).toBe(0);
});
