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

/** A worker did something else than its clause demands. */
export class ClauseFailure extends Error {
  readonly code = 'clause_failed';
  readonly expected: string;
  readonly came: string;

  constructor(expected: string, came: string) {
    super(`expected ${expected}, got ${came}`);
    this.expected = expected;
    this.came = came;
  }
}

/** The situation could not be made; the message says what is missing. */
export class NotChecked extends Error {
  readonly code = 'not_checked';
}

/** The check itself was too slow for its situation, which proves nothing: the clause is played again. */
export class CameTooLate extends NotChecked {}

/** @throws ClauseFailure unless `holds` */
export const demand = (holds: boolean, expected: string, came: string): void => {
  if (!holds) throw new ClauseFailure(expected, came);
};
