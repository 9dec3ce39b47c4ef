import type { Client, Session } from '@sluice/client';
import { ORG_STATS, SYSTEM_STATS } from '@sluice/protocol';
import type { EdgeReport, StatsReport, WorkerReport } from '@sluice/protocol';
import { Fleet } from './fleet.ts';
import type { Moment } from './fleet.ts';
import { History } from './history.ts';
import { RunBoard } from './run-board.ts';
import type { Run } from './run-board.ts';
import type { Source } from './source.ts';
import type { Totals } from './totals.ts';

/** Whose figures: everybody's, for operators, or those of one's own org. */
export type Scope = 'system' | 'org';

const SESSIONS: Readonly<Record<Scope, string>> = { system: SYSTEM_STATS, org: ORG_STATS };
const TURN_MS = 1_000;
const FIRST_LOOK_MS = 60;

export type StatsSnapshot = {
  /** why there is nothing to see */
  readonly refusal: string | undefined;
  /** undefined until the first reports are in */
  readonly moment: Moment | undefined;
  readonly history: History;
  readonly edges: readonly Source<EdgeReport>[];
  readonly workers: readonly Source<WorkerReport>[];
  readonly totals: Totals;
  readonly price: number | undefined;
  readonly runs: readonly Run[];
  /** tokens so far of what runs, by the run's id */
  readonly made: ReadonlyMap<string, number>;
  /** of this page's clock, ms */
  readonly now: number;
};

const isReport = (data: unknown): data is StatsReport => {
  const type = (data as { readonly type?: unknown } | null)?.type;
  return type === 'edge' || type === 'worker';
};

/** One stats session as React reads it: observed for as long as this is open, a snapshot every second. */
export class StatsStore {
  readonly scope: Scope;
  readonly #session: Session;
  readonly #fleet = new Fleet();
  readonly #board = new RunBoard();
  readonly #history = new History();
  readonly #listeners = new Set<() => void>();
  readonly #remove: () => void;
  readonly #timer: ReturnType<typeof setInterval>;
  /** undefined until the first report */
  #firstLook: ReturnType<typeof setTimeout> | undefined;
  #refusal: string | undefined;
  #moment: Moment | undefined;
  #snapshot: StatsSnapshot;

  constructor(client: Client, scope: Scope) {
    this.scope = scope;
    this.#session = client.session(SESSIONS[scope]);
    this.#snapshot = this.#look();
    this.#remove = this.#session.on('signal', ({ data }) => this.#receive(data));
    this.#timer = setInterval(() => this.#turn(), TURN_MS);
    this.#session.subscribe({ observe: true }).catch((error: unknown) => {
      this.#refusal = error instanceof Error ? error.message : String(error);
      this.#tell();
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly snapshot = (): StatsSnapshot => this.#snapshot;

  close(): void {
    this.#remove();
    clearInterval(this.#timer);
    clearTimeout(this.#firstLook);
    this.#session.close().catch(() => {
      // Nobody is left to be told.
    });
  }

  #receive(data: unknown): void {
    if (!isReport(data)) return;
    this.#fleet.apply(data, performance.now());
    for (const run of data.runs) this.#board.apply(run);
    // The others' first reports arrive with this one; who has just come need not wait for a whole second.
    this.#firstLook ??= setTimeout(() => this.#turn(), FIRST_LOOK_MS);
  }

  #turn(): void {
    if (this.#firstLook === undefined) return;
    this.#moment = this.#fleet.turn(performance.now());
    this.#history.add(Date.now(), this.#moment);
    this.#tell();
  }

  #tell(): void {
    this.#snapshot = this.#look();
    for (const listener of this.#listeners) listener();
  }

  #look(): StatsSnapshot {
    const { edges, workers, totals, price } = this.#fleet;
    return {
      ...{ edges, workers, totals, price },
      refusal: this.#refusal,
      moment: this.#moment,
      history: this.#history,
      runs: this.#board.runs,
      made: this.#fleet.made,
      now: performance.now(),
    };
  }
}
