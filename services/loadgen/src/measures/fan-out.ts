import type { Bench, Measure, Outcome, Row } from '../bench.ts';
import { ABSENT, PEERS } from '../peers/fan-out/peers.ts';
import { medianOf, medianRatio } from '../statistics.ts';
import { openEdgeSide, openPeerSide, settle } from './fan-out-sides.ts';
import type { FanOutLoad, Side, SideCost } from './fan-out-sides.ts';

type Limit = { readonly peer: string; readonly max: number };

type FanOutScenario = {
  readonly name: string;
  /** ids of the rows for observers and for viewers that ack */
  readonly ids: readonly [observers: string, viewers: string];
  readonly load: (size: Bench['size']) => FanOutLoad;
};

const OBSERVER_LIMITS: readonly Limit[] = [
  { peer: 'raw TCP', max: 1.15 },
  { peer: 'SSE', max: 1 },
  { peer: 'socket.io', max: 0.7 },
];
const VIEWER_LIMITS: readonly Limit[] = [
  { peer: 'raw TCP', max: 1.4 },
  { peer: 'socket.io', max: 0.9 },
];

/** What each side cost, one entry a repetition, by the side's name. */
type Costs = ReadonlyMap<string, readonly SideCost[]>;

const fanOutOf = ({ name, ids, load: loadOf }: FanOutScenario): Measure => ({
  name,
  ids,
  run: async (bench) => {
    const load = loadOf(bench.size);
    bench.say(`${name}, opening ${load.viewers} viewers at each of ${PEERS.length + 2} servers`);
    const viewers = await openEdgeSide(bench, load, 'viewer');
    const sides: Side[] = [viewers];
    try {
      sides.push(await openEdgeSide(bench, load, 'observer'));
      for (const peer of PEERS) sides.push(await openPeerSide(peer, load));
      const costs = await runInTurns(bench, name, { sides, recorded: () => viewers.recorded() });
      return outcomeOf(ids, load, costs);
    } finally {
      await Promise.all(sides.map((side) => side.close()));
    }
  },
});

/** P1: one generation and many viewers, against processes that only pass the same frames on. */
export const fanOut = fanOutOf({
  name: 'fan-out',
  ids: ['P1a', 'P1b'],
  load: ({ viewers }) => ({ viewers, framesPerSecond: 50 }),
});

/** The same number of frames a second, to five times as many. */
export const largeFanOut = fanOutOf({
  name: 'large fan-out',
  ids: ['P1c', 'P1d'],
  load: ({ viewers }) => ({ viewers: 5 * viewers, framesPerSecond: 10 }),
});

type Turns = {
  readonly sides: readonly Side[];
  readonly recorded: () => Parameters<Side['run']>[0];
};

/** Every side in each repetition, right after one another, so that a drift of the machine meets them all. */
const runInTurns = async (bench: Bench, name: string, { sides, recorded }: Turns): Promise<Costs> => {
  const costs = new Map<string, SideCost[]>(sides.map((side) => [side.name, []]));
  const { repetitions, warmUps } = bench.size;
  for (let turn = 1 - warmUps; turn <= repetitions; turn += 1) {
    bench.say(turn <= 0 ? `${name}, warming up` : `${name}, repetition ${turn} of ${repetitions}`);
    for (const side of sides) {
      const cost = await side.run(recorded());
      if (turn > 0) costs.get(side.name)?.push(cost);
      await settle();
    }
  }
  return costs;
};

const outcomeOf = (ids: FanOutScenario['ids'], load: FanOutLoad, costs: Costs): Outcome => ({
  rows: [
    rowOf({ id: ids[0], side: 'Sluice observers', limits: OBSERVER_LIMITS }, load, costs),
    rowOf({ id: ids[1], side: 'Sluice with acks', limits: VIEWER_LIMITS }, load, costs),
  ],
  verifications: [...costs.values()].flat().map(({ verification }) => verification),
  absent: ABSENT,
});

type Judged = { readonly id: string; readonly side: string; readonly limits: readonly Limit[] };

const rowOf = ({ id, side, limits }: Judged, load: FanOutLoad, costs: Costs): Row => {
  const usOf = (name: string): number[] => (costs.get(name) ?? []).map(({ usPerFrame }) => usPerFrame);
  const own = costs.get(side) ?? [];
  const ratios = Object.fromEntries(
    PEERS.map(({ name }) => [name, medianRatio(usOf(side), usOf(name))] as const),
  );
  const us = medianOf(usOf(side));
  return {
    id,
    what: `fan-out to ${load.viewers} x ${load.framesPerSecond} frames/s, ${side}: edge CPU per frame`,
    target: limits.map(({ peer, max }) => `<= ${max} x ${peer}`).join(', '),
    value: `${us.toFixed(1)} us`,
    ok: limits.every(({ peer, max }) => (ratios[peer] ?? Number.NaN) <= max),
    ratios,
    figures: {
      usPerFrame: us,
      clientUsPerFrame: medianOf(own.map(({ clientUsPerFrame }) => clientUsPerFrame)),
      framesPerRepetition: medianOf(own.map(({ frames }) => frames)),
    },
  };
};
