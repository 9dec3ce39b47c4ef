import type { Clock } from '../clock.ts';
import { INITIAL_RECONNECT_STATE, stepReconnect } from './reconnect-state.ts';
import type { Backoff, ReconnectAction, ReconnectEvent, ReconnectState } from './reconnect-state.ts';

type ReconnectorOptions = {
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly refreshable: boolean;
  /** told of each step before its actions are carried out */
  readonly changed: (before: ReconnectState, after: ReconnectState) => void;
  readonly perform: (action: ReconnectAction) => void;
};

/** Runs the reconnect machine: holds its state, owns its one timer, and has its actions carried out. */
export class Reconnector {
  readonly #options: ReconnectorOptions;
  #state: ReconnectState = INITIAL_RECONNECT_STATE;
  #cancelTimer: () => void = () => undefined;

  constructor(options: ReconnectorOptions) {
    this.#options = options;
  }

  get state(): ReconnectState {
    return this.#state;
  }

  step(event: ReconnectEvent): void {
    const { clock, backoff, refreshable, changed, perform } = this.#options;
    const before = this.#state;
    const context = { now: clock.now(), random: clock.random(), backoff, refreshable };
    const { state, actions } = stepReconnect(before, event, context);
    this.#state = state;
    if (state.until !== before.until) this.#arm(state.until);
    changed(before, state);
    for (const action of actions) perform(action);
  }

  #arm(until: number | undefined): void {
    this.#cancelTimer();
    if (until === undefined) return;
    const { clock } = this.#options;
    // A timer may fire a moment early by the other clock; the machine would ignore it, so look again.
    this.#cancelTimer = clock.after(until - clock.now(), () => {
      if (clock.now() < until) this.#arm(until);
      else this.step({ type: 'due' });
    });
  }
}
