import { AckLedger, LeadGate } from '@sluice/core';
import type { ControlAck, PromptBody } from '@sluice/protocol';

/** An edge that has been silent for this long no longer governs, ms. */
const EDGE_SILENCE_MS = 15_000;

/**
 * How far a run may go: the acks of all edges, combined by the governor, against the lead.
 * Pure but for the waiter it wakes.
 */
export class Credit {
  readonly #ledger: AckLedger;
  readonly #gate: LeadGate;
  readonly #epoch: number;
  readonly #finishAlone: boolean;
  #isUnbound = false;
  #shutSince: number | undefined;
  #shutMs = 0;
  #aloneSince: number | undefined;
  #wake: (() => void) | undefined;

  /** @param seq tokens stored before this run: the lead counts as used up by them until edges report */
  constructor(body: PromptBody, epoch: number, { seq, now }: { readonly seq: number; readonly now: number }) {
    this.#ledger = new AckLedger(body.governor ?? 'fastest');
    this.#gate = new LeadGate(body.lead ?? 'adaptive', seq);
    this.#epoch = epoch;
    this.#finishAlone = body.onAbandon === 'finish';
    this.#aloneSince = now;
    if (body.governor === 'none' || this.#finishAlone) this.#gate.govern(Infinity, now);
  }

  get open(): boolean {
    return this.#gate.open;
  }

  /** The governing ack and the lead; undefined when nothing governs. */
  get governed(): { readonly acked: number; readonly lead: number } | undefined {
    const { acked, lead, isGoverned } = this.#gate;
    return isGoverned ? { acked, lead } : undefined;
  }

  /** Whether anybody has acknowledged anything of this epoch. */
  get isAcked(): boolean {
    return this.#ledger.governed(this.#epoch).seq > 0;
  }

  /** How long the run has been held so far, ms, over all holds. */
  get heldMs(): number {
    return this.#shutMs;
  }

  /** How long the hold that is on now has lasted, ms; 0 when there is none. */
  heldFor(now: number): number {
    return this.#shutSince === undefined ? 0 : now - this.#shutSince;
  }

  /** How long no edge has had a viewer, ms; 0 while one has. */
  aloneFor(now: number): number {
    return this.#aloneSince === undefined ? 0 : now - this.#aloneSince;
  }

  take(now: number): void {
    this.#gate.take(now);
  }

  /** Nothing governs from now on. */
  unbind(now: number): void {
    this.#isUnbound = true;
    this.#govern(now);
  }

  onAck({ edge, epoch, seq, viewers }: ControlAck, now: number): void {
    this.#ledger.set(edge, { epoch, seq, viewers, owner: true, at: now });
    this.#govern(now);
  }

  /**
   * Forgets edges that went silent: the viewers they spoke for are gone, or come back elsewhere.
   * @param audibleMs for how long they could be heard
   */
  tick(now: number, audibleMs: number): void {
    if (audibleMs < EDGE_SILENCE_MS) return;
    if (this.#ledger.expire(now - EDGE_SILENCE_MS)) this.#govern(now);
  }

  /** Resolves when the gate opens or {@link release} is called. */
  async whenOpen(clock: { now(): number }, isReleased: () => boolean): Promise<void> {
    this.#shutSince = clock.now();
    while (!this.open && !isReleased()) await new Promise<void>((wake) => (this.#wake = wake));
    this.#shutMs += clock.now() - this.#shutSince;
    this.#shutSince = undefined;
  }

  /** Wakes whoever waits, to look again. */
  release(): void {
    this.#wake?.();
  }

  #govern(now: number): void {
    const { seq, viewers } = this.#ledger.governed(this.#epoch);
    this.#aloneSince = viewers > 0 ? undefined : (this.#aloneSince ?? now);
    const isFree = this.#isUnbound || (this.#finishAlone && viewers === 0);
    this.#gate.govern(isFree ? Infinity : seq, now);
    if (this.open) this.release();
  }
}
