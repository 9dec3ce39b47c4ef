import type { History } from './history.ts';
import type { Load, Member } from './load.ts';
import type { RecordedSocket } from '../support/recording.ts';

/** A part of a run: what happened from `from` to `to` (ms of `performance.now`), to clients of one edge. */
export type Scope = { readonly from?: number; readonly to?: number; readonly edge?: number };

const steps = (times: readonly number[]): number[] =>
  times.slice(1).map((at, index) => at - (times[index] ?? at));

/** When a member got deltas of a generation. */
const deltaTimes = ({ sockets }: Member, id: string, { from = 0, to = Infinity }: Scope): number[] =>
  sockets.flatMap(({ received }) =>
    received.flatMap(({ frame, at }) =>
      frame.type === 'delta' && frame.generation === id && at >= from && at <= to ? [at] : [],
    ),
  );

const viewsOf = (load: Load, scope: Scope): number[][] =>
  load.started.flatMap(({ room, id }) =>
    room.members
      .filter(({ edge }) => scope.edge === undefined || edge === scope.edge)
      .map((member) => deltaTimes(member, id, scope)),
  );

/** Longest silence between two deltas of each viewer and generation, ms. */
export const gapsOf = (load: Load, scope: Scope = {}): number[] =>
  viewsOf(load, scope).map((times) => Math.max(0, ...steps(times)));

/** Every time between two deltas, ms. */
export const pacesOf = (load: Load, scope: Scope): number[] => viewsOf(load, scope).flatMap(steps);

/** From a moment to the next delta, for each viewer of what was running then, ms. */
export const silencesAfter = (load: Load, moment: number): number[] =>
  viewsOf(load, {}).flatMap((times) => {
    const next = times.findIndex((at) => at > moment);
    return next > 0 ? [(times[next] as number) - moment] : [];
  });

/** From the last frame of a connection to the first of its session on the next one, idle times included, ms. */
export const resumesOf = (load: Load): number[] =>
  load.rooms.flatMap(({ members }) =>
    members.flatMap(({ sockets }) => {
      const spans = sockets.map(spanOf).filter((span) => span !== undefined);
      return spans.slice(1).map(({ first }, index) => first - (spans[index]?.last ?? first));
    }),
  );

const spanOf = ({ received }: RecordedSocket): { first: number; last: number } | undefined => {
  const first = received.find(({ frame }) => frame.type === 'subscribed')?.at;
  const last = received.at(-1)?.at;
  return first === undefined || last === undefined ? undefined : { first, last };
};

/** From the last token of an attempt to the first new one of the next, by the log and its workers' clocks, ms. */
export const handoversOf = (histories: readonly History[]): number[] =>
  histories.flatMap(({ log }) => {
    const writes = log.filter(({ record }, index) => {
      const before = log[index - 1]?.record;
      return before === undefined || headOf(record) > headOf(before) || record.epoch > before.epoch;
    });
    return writes.slice(1).flatMap(({ record }, index) => {
      const before = writes[index]?.record;
      return before !== undefined && record.attempt > before.attempt ? [record.at - before.at] : [];
    });
  });

const headOf = ({ base, tokens }: History['log'][number]['record']): number => base + tokens.length;

/** How long after the end was stored each viewer had it, ms. */
export const endDelaysOf = (histories: readonly History[]): number[] =>
  histories.flatMap(({ log, viewers, generation }) => {
    const stored = log.find(({ record }) => record.end !== undefined)?.record.at;
    if (stored === undefined) return [];
    return viewers.flatMap(({ connections }) => {
      const end = connections
        .flatMap(({ received }) => received)
        .find(({ frame }) => frame.type === 'end' && frame.generation === generation);
      return end === undefined ? [] : [performance.timeOrigin + end.at - stored];
    });
  });
