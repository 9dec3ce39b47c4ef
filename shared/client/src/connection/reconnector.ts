import type { Clock } from '../clock.ts';
import { INITIAL_STATE, step } from './reconnect.ts';
import type { Backoff, ReconnectAction, ReconnectEvent, ReconnectState } from './reconnect.ts';

type ReconnectorOptions = {
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly refreshable: boolean;
  /** told of each step before its actions are carried out */
  readonly changed: (before: ReconnectState, after: ReconnectState) => void;
  readonly perform: (action: ReconnectAction) => void;
};

/** The reconnect machine as it runs. */
export interface Reconnector {
  readonly state: ReconnectState;
  step(event: ReconnectEvent): void;
}

/** Runs the reconnect machine: holds its state, owns its one timer, and has its actions carried out. */
export const runReconnector = ({
  clock,
  backoff,
  refreshable,
  changed,
  perform,
}: ReconnectorOptions): Reconnector => {
  let state: ReconnectState = INITIAL_STATE;
  let cancelTimer = (): void => undefined;
  const arm = (until: number | undefined): void => {
    cancelTimer();
    if (until === undefined) return;
    // A timer may fire a moment early by the other clock; the machine would ignore it, so look again.
    cancelTimer = clock.after(until - clock.now(), () => {
      if (clock.now() < until) arm(until);
      else run({ type: 'due' });
    });
  };
  const run = (event: ReconnectEvent): void => {
    const before = state;
    const next = step(before, event, { now: clock.now(), random: clock.random(), backoff, refreshable });
    ({ state } = next);
    if (state.until !== before.until) arm(state.until);
    changed(before, state);
    for (const action of next.actions) perform(action);
  };
  return {
    get state() {
      return state;
    },
    step: run,
  };
};
