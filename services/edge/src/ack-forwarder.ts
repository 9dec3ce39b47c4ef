import type { Control } from '@sluice/bus';
import { AckLedger } from '@sluice/core';
import type { GenerationKey, Governor } from '@sluice/protocol';

/** Acks are repeated this often: a worker forgets an edge that is silent for three times as long, ms. */
const REPEAT_MS = 5_000;

type Party = {
  readonly connection: string;
  readonly epoch: number;
  readonly seq: number;
  readonly isOwner: boolean;
};

/** Combines the acks of this edge's viewers of one generation and tells its worker, once per turn. */
export class AckForwarder {
  readonly #key: GenerationKey;
  readonly #control: Control;
  readonly #edge: string;
  readonly #ledger: AckLedger;
  #sent = { seq: -1, epoch: -1, viewers: 0, at: 0 };

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
   * Sends what governs now if it changed, or if it is time to repeat it. Silent while no viewer was
   * ever counted here. @returns whether it sent
   */
  forward(epoch: number, now: number): boolean {
    const { seq, viewers } = this.#ledger.governed(epoch);
    const { at, ...sent } = this.#sent;
    const isNews = sent.seq !== seq || sent.epoch !== epoch || sent.viewers !== viewers;
    const isDue = viewers > 0 && now - at >= REPEAT_MS;
    if (!isDue && (!isNews || (viewers === 0 && sent.viewers === 0))) return false;
    this.#sent = { seq, epoch, viewers, at: now };
    // With `none` nothing governs: seq is Infinity, which JSON has no word for.
    const finite = Math.min(seq, Number.MAX_SAFE_INTEGER);
    this.#control.ack(this.#key, { type: 'ack', edge: this.#edge, epoch, seq: finite, viewers });
    return true;
  }
}
