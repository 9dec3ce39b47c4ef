import type { Client, Session } from '@sluice/client';
import { FAULTS } from '@sluice/protocol';
import type { FaultOrder } from '@sluice/protocol';

export type KillSwitchState = {
  /** the server takes orders from this tab: it is a demo, and this person an admin */
  readonly isArmed: boolean;
  /** why the last order was refused */
  readonly refusal: string | undefined;
};

/** Kills processes at the server, where that is switched on. Elsewhere the session it speaks to does not exist. */
export class KillSwitch {
  readonly #session: Session;
  readonly #remove: () => void;
  readonly #listeners = new Set<() => void>();
  #state: KillSwitchState = { isArmed: false, refusal: undefined };

  constructor(client: Client) {
    this.#session = client.session(FAULTS);
    this.#remove = this.#session.on('error', ({ message }) => this.#change({ refusal: message }));
    this.#session.subscribe({ observe: true }).then(
      () => this.#change({ isArmed: true }),
      () => {
        // Not for this person, or not switched on: there is nothing to offer.
      },
    );
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly snapshot = (): KillSwitchState => this.#state;

  order(order: FaultOrder): void {
    this.#change({ refusal: undefined });
    this.#session.signal(order);
  }

  close(): void {
    this.#remove();
    this.#session.close().catch(() => {
      // Nobody is left to be told.
    });
  }

  #change(change: Partial<KillSwitchState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}
