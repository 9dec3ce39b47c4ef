export { main } from './main.ts';
export { checkWorker } from './worker-check/check-worker.ts';
export type { CheckOptions } from './worker-check/check-worker.ts';
export { CLAUSES } from './worker-check/clauses/index.ts';
export type { Clause } from './worker-check/clause.ts';
export type { Verdict } from './worker-check/verdict.ts';
