import type { Control } from '@sluice/bus';
import { AckLedger, MIN_LEAD } from '@sluice/core';
import type { GenerationKey, Governor } from '@sluice/protocol';

/** Acks are repeated this often: a worker forgets an edge that is silent for three times as long, ms. */
const REPEAT_MS = 5_000;
/** And this often while the run says nothing: it may be held because an ack was lost, ms. */
const SILENT_REPEAT_MS = 1_000;

type Party = {
  readonly connection: string;
  readonly epoch: number;
  readonly seq: number;
  readonly isOwner: boolean;
};

/** Who writes the log now. */
type Run = { readonly epoch: number; readonly attempt: number };

/** Combines the acks of this edge's viewers of one generation and tells its worker, once per turn. */
export class AckForwarder {
  readonly #key: GenerationKey;
  readonly #control: Control;
  readonly #edge: string;
  readonly #ledger: AckLedger;
  #sent = { seq: -1, epoch: -1, attempt: -1, viewers: 0, at: 0 };

  constructor(key: GenerationKey, governor: Governor, deps: { control: Control; edge: string }) {
    this.#key = key;
    this.#control = deps.control;
    this.#edge = deps.edge;
    this.#ledger = new AckLedger(governor);
  }

  set({ connection, epoch, seq, isOwner }: Party): void {
    this.#ledger.set(connection, { epoch, seq, viewers: 1, owner: isOwner, at: 0 });
  }

  delete(connection: string): void {
    this.#ledger.delete(connection);
  }

  /**
   * Whether the run has no reason to be held: what governs here is less than the smallest lead behind
   * `seq`. A run that is parked all the same has lost our acks.
   */
  hasKeptUp(epoch: number, seq: number): boolean {
    const governed = this.#ledger.governed(epoch);
    return governed.viewers > 0 && governed.seq > seq - MIN_LEAD;
  }

  /**
   * Sends what governs now if it changed, if another attempt took over, which knows of no ack yet, or if it
   * is time to repeat it. Silent while no viewer was ever counted here. @returns whether it sent
   */
  forward({ epoch, attempt }: Run, now: number, isSilent: boolean): boolean {
    const { seq, viewers } = this.#ledger.governed(epoch);
    const { at, ...sent } = this.#sent;
    const isSameRun = sent.epoch === epoch && sent.attempt === attempt;
    const isNews = !isSameRun || sent.seq !== seq || sent.viewers !== viewers;
    const isDue = viewers > 0 && now - at >= (isSilent ? SILENT_REPEAT_MS : REPEAT_MS);
    if (!isDue && (!isNews || (viewers === 0 && sent.viewers === 0))) return false;
    this.#sent = { seq, epoch, attempt, viewers, at: now };
    // With `none` nothing governs: seq is Infinity, which JSON has no word for.
    const finite = Math.min(seq, Number.MAX_SAFE_INTEGER);
    this.#control.ack(this.#key, { type: 'ack', edge: this.#edge, epoch, seq: finite, viewers });
    return true;
  }
}
