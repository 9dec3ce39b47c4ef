import type { Stage } from './stage.ts';

/** One numbered rule of docs/WORKERS.md. */
export type Clause = {
  /** `W` and its number on the page */
  readonly id: string;
  /** the heading on the page */
  readonly title: string;
} & (
  | {
      /** what to do when it fails */
      readonly advice: string;
      /** takes many seconds, mostly of waiting: begun first, so that the others go on beside it */
      readonly long?: true;
      /** takes jobs off the queue or kills something: nothing else may run beside it */
      readonly alone?: true;
      /**
       * Plays the situation and resolves to what was seen.
       * @throws ClauseFailure, NotChecked, CameTooLate
       */
      readonly check: (stage: Stage) => Promise<string>;
    }
  | {
      /** why nobody outside the worker can see whether it keeps this rule */
      readonly unseen: string;
    }
);
