import type { SessionKey } from '@sluice/protocol';
import type { Subscription } from '../token-log.ts';

/** An edge says that a stats session is observed there. Repeated; whoever has figures then reports into it. */
export type StatsAsk = {
  readonly key: SessionKey;
  /** somebody came who has nothing yet */
  readonly isNew: boolean;
};

export type StatsDemand = {
  /** Fire and forget. */
  ask(ask: StatsAsk): void;
  onAsk(listener: (ask: StatsAsk) => void): Promise<Subscription>;
};
