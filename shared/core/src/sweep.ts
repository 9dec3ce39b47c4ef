import { dueEnd } from './item-state.ts';
import type { StoredGeneration } from './item-state.ts';

/** What a generation that is listed as open looks like to whoever goes through them. */
export type OpenState = {
  /** undefined: there is none, or none yet */
  readonly item: StoredGeneration | undefined;
  /** whether its worker is known to run it no more */
  readonly isDeserted: boolean;
  readonly now: number;
};

/**
 * `complete`: its creation, which a crash may have cut short. `queue`: make sure of its job, which a queue that has it
 * does not take again. `adopt`: from its dead worker. `end`: it is cancelled, or was parked for too long. `forget`: it is done.
 */
export type SweepStep = 'complete' | 'queue' | 'adopt' | 'end' | 'forget' | 'leave';

/** What has to be done so that an open generation does not wait for somebody to notice it. */
export const sweepStep = ({ item, isDeserted, now }: OpenState): SweepStep => {
  if (item === undefined) return 'complete';
  if (item.status === 'done') return 'forget';
  if (item.status === 'running') return isDeserted ? 'adopt' : 'leave';
  if (dueEnd(item, now) !== undefined) return 'end';
  return item.status === 'queued' ? 'queue' : 'leave';
};
