import type { Clause } from '../clause.ts';
import { BODIES } from './bodies.ts';
import { CANCEL } from './cancel.ts';
import { CRASH } from './crash.ts';
import { FENCING } from './fencing.ts';
import { FLOW } from './flow.ts';
import { JOBS } from './jobs.ts';
import { PRESENCE } from './presence.ts';
import { RECORDS } from './records.ts';

/** Every clause of docs/WORKERS.md, in its order. */
export const CLAUSES: readonly Clause[] = [
  ...PRESENCE,
  ...JOBS,
  ...RECORDS,
  ...FENCING,
  ...FLOW,
  ...CANCEL,
  ...CRASH,
  ...BODIES,
];
