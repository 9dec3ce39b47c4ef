import type { Client, Session } from '@sluice/client';
import { ORG_STATS } from '@sluice/protocol';
import type { RunProgress, StatsReport } from '@sluice/protocol';

/** How far a run is, and which worker runs it. */
export type WorkerProgress = RunProgress & { readonly worker: string };

/** How far the worker is with each generation of a session, as it reports every second to admins. */
export class ProgressFollower {
  readonly #session: Session;
  readonly #remove: () => void;
  readonly #newest = new Map<string, WorkerProgress>();

  /** @param session whose generations are of interest */
  constructor(client: Client, session: string) {
    this.#session = client.session(ORG_STATS);
    this.#remove = this.#session.on('signal', ({ data }) => {
      const report = data as StatsReport | null;
      if (report?.type !== 'worker') return;
      for (const progress of report.progress)
        if (progress.session === session)
          this.#newest.set(progress.generation, { ...progress, worker: report.name });
    });
    this.#session.subscribe({ observe: true }).catch(() => {
      // Not for this person: the panel then shows what this tab knows by itself.
    });
  }

  of(generation: string): WorkerProgress | undefined {
    return this.#newest.get(generation);
  }

  close(): void {
    this.#remove();
    this.#session.close().catch(() => {
      // Nobody is left to be told.
    });
  }
}
