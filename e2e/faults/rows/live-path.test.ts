import { expect } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import type { Load } from '../load.ts';
import { LossyLive } from '../lossy-live.ts';
import type { Missed } from '../lossy-live.ts';
import { losingLastLive } from '../mutants.ts';
import { nth, spread } from '../report.ts';
import { longest, playRows, seconds, untilFlowing } from './row.ts';

const INJECTED = 100_000;

/** From when a record was due until a viewer of that edge had its tokens all the same, ms. */
const repairsOf = (load: Load, missed: readonly Missed[]): number[] => {
  const seen = new Map<string, readonly { readonly seq: number; readonly at: number }[]>();
  for (const { room, id } of load.started) {
    for (const { edge, sockets } of room.members) {
      const deltas = sockets.flatMap(({ received }) =>
        received.flatMap(({ frame, at }) =>
          frame.type === 'delta' && frame.generation === id ? [{ seq: frame.seq, at }] : [],
        ),
      );
      seen.set(`${room.org}.${room.session}.${id} ${edge}`, deltas);
    }
  }
  return missed.flatMap(({ edge, path, head, at }) => {
    const had = seen.get(`${path} ${edge}`)?.find(({ seq }) => seq >= head)?.at;
    return had === undefined ? [] : [Math.max(0, had - at)];
  });
};

const lossy = new LossyLive();

playRows('live records are mistreated', [
  {
    id: 'F14',
    title: 'records are lost, repeated, swapped and delayed between NATS and the edges: no viewer sees it',
    target: `violations 0 over ${INJECTED} faults, repaired p99 <= 300 ms`,
    options: {
      shim: lossy.shim,
      tokensPerSecond: 100,
      load: { sessions: 10, viewers: 2, tokens: 1_500 },
    },
    play: async ({ load }) => {
      const what = `${INJECTED} injected faults`;
      await waitFor(() => lossy.injected >= INJECTED, { what, timeoutMs: 200_000, pollMs: 100 });
      const repairs = repairsOf(load, lossy.missed);
      return {
        injected: lossy.injected,
        'repaired p50/p95/max ms': spread(repairs),
        'repaired p99': Math.round(nth(repairs, 0.99)),
      };
    },
    holds: ({ figures }) => expect(figures['repaired p99']).toBeLessThanOrEqual(300),
  },
  {
    id: 'F15',
    title: 'the last live record of every run is lost: its end comes all the same',
    target: 'end <= 2.5 s late',
    options: { shim: losingLastLive },
    play: async (world) => {
      await untilFlowing(world);
      await seconds(15);
    },
    holds: ({ timings }) => {
      expect(timings.endDelays.length).toBeGreaterThan(0);
      expect(longest(timings.endDelays)).toBeLessThanOrEqual(2_500);
    },
  },
]);
