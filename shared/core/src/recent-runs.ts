import type { Org, RunMark, RunPhase, RunReport } from '@sluice/protocol';

/** Attempts that are remembered; the oldest goes first. */
const MAX_RUNS = 64;
/** Marks of one attempt: a run that is held over and over forgets its holds in the middle. */
const MAX_MARKS = 32;

type Entry = { report: RunReport; version: number };

/** What happened lately to the runs of one process, for whoever watches. Bounded; knows ids and numbers only. */
export class RecentRuns {
  readonly #entries = new Map<string, Entry>();
  #version = 0;

  /** Rises with every change: what {@link since} takes. */
  get version(): number {
    return this.#version;
  }

  begin(run: Omit<RunReport, 'marks'>, mark: RunMark): void {
    const path = pathOf(run);
    this.#entries.delete(path);
    this.#entries.set(path, { report: { ...run, marks: [mark] }, version: (this.#version += 1) });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > MAX_RUNS && oldest !== undefined) this.#entries.delete(oldest);
  }

  /** Adds a mark; a run that was forgotten stays so. */
  mark(run: RunName, mark: RunMark, ending: Pick<RunReport, 'reason' | 'saved'> = {}): void {
    const entry = this.#entries.get(pathOf(run));
    if (entry === undefined) return;
    const marks = [...entry.report.marks, mark];
    if (marks.length > MAX_MARKS) marks.splice(MAX_MARKS / 2, 2);
    entry.report = { ...entry.report, ...ending, marks };
    entry.version = this.#version += 1;
  }

  /** What changed after `version`, oldest first. @param org undefined: of all orgs */
  since(version: number, org?: Org): readonly RunReport[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.version > version && (org === undefined || entry.report.org === org))
      .map(({ report }) => report);
  }
}

type RunName = Pick<RunReport, 'org' | 'session' | 'generation' | 'attempt'>;

const pathOf = ({ org, session, generation, attempt }: RunName): string =>
  `${org}.${session}.${generation}.${attempt}`;

export const markOf = (phase: RunPhase, at: number, seq: number): RunMark => ({ phase, at, seq });
