import { CameTooLate } from './clause-failure.ts';
import { ClauseFailure, NotChecked } from './clause-failure.ts';
import type { Clause } from './clause.ts';
import { Stage } from './stage.ts';
import type { Target } from './stage.ts';

/** What a clause came to. */
export type Verdict = { readonly id: string; readonly title: string } & (
  | { readonly result: 'pass'; readonly found: string }
  | {
      readonly result: 'fail';
      readonly expected: string;
      readonly came: string;
      /** what to do */
      readonly advice: string;
    }
  | { readonly result: 'not checked'; readonly reason: string }
);

/** What the connection lost in an outage, or the check by its own slowness, is no worker's fault: it plays again. */
const MAX_TRIES = 3;

/** Plays one clause. Never rejects. */
const judge = async (clause: Clause, target: Target): Promise<Verdict> => {
  for (let tries = 1; ; tries += 1) {
    let isDisturbed = false;
    const disturb = (): void => void (isDisturbed = true);
    const outages = target.bus.link.onReconnect(disturb);
    const verdict = await judgeOnce(clause, target, disturb);
    outages.close();
    if (verdict.result === 'pass' || !isDisturbed || tries === MAX_TRIES) return verdict;
  }
};

/** Plays one clause and cleans up behind it. Never rejects. */
const judgeOnce = async (clause: Clause, target: Target, onTooLate: () => void): Promise<Verdict> => {
  const { id, title } = clause;
  if ('unseen' in clause) return { id, title, result: 'not checked', reason: clause.unseen };
  const stage = new Stage(target);
  try {
    return { id, title, result: 'pass', found: await clause.check(stage) };
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof CameTooLate) onTooLate();
    if (error instanceof NotChecked) return { id, title, result: 'not checked', reason: message };
    const { expected, came } =
      error instanceof ClauseFailure
        ? error
        : { expected: 'a log and an item that can be read', came: message };
    return { id, title, result: 'fail', expected, came, advice: clause.advice };
  } finally {
    await stage.close();
  }
};

/**
 * Plays all clauses, several at once where that disturbs nothing, and tells each verdict in the clauses'
 * order as soon as it and those before it are there.
 * @param width most clauses at once
 */
export const judgeAll = async (
  clauses: readonly Clause[],
  target: Target,
  { width, onVerdict }: { readonly width: number; readonly onVerdict: (verdict: Verdict) => void },
): Promise<readonly Verdict[]> => {
  const verdicts = new Map<Clause, Verdict>();
  let told = 0;
  const play = async (clause: Clause): Promise<void> => {
    verdicts.set(clause, await judge(clause, target));
    for (let next = clauses[told]; next !== undefined && verdicts.has(next); next = clauses[told]) {
      onVerdict(verdicts.get(next) as Verdict);
      told += 1;
    }
  };
  const is = (kind: 'alone' | 'long', clause: Clause): boolean => 'check' in clause && clause[kind] === true;
  const alone = clauses.filter((clause) => is('alone', clause));
  const beside = clauses.filter((clause) => !is('alone', clause));
  const queue = beside.toSorted((a, b) => Number(is('long', b)) - Number(is('long', a))).values();
  const lane = async (): Promise<void> => {
    for (const clause of queue) await play(clause);
  };
  await Promise.all(Array.from({ length: width }, lane));
  for (const clause of alone) await play(clause);
  return clauses.map((clause) => verdicts.get(clause) as Verdict);
};
