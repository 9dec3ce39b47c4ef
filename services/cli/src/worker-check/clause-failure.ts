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
