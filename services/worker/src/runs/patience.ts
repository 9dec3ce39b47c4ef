import type { PromptBody } from '@sluice/protocol';

/** Held for this long without an ack: the engine is stopped and the slot freed, ms. */
export const PARK_AFTER_MS = 2_000;
/** The same for an engine that cannot go on from a text: then the run goes on without its viewers, ms. */
export const HOLD_MS = 30_000;
/** Shorter holds are not worth a word to the viewers, nor a slot, ms. */
export const PAUSE_MS = 250;
/** Without a viewer for this long, policy `cancel` ends the run, ms. */
const ABANDON_AFTER_MS = 10_000;

/** How a run stands with its viewers, at one moment. */
export type Attention = {
  readonly now: number;
  /** how long they have kept it from going on, ms; 0 while they do not */
  readonly heldMs: number;
  /** how long there has been none, ms */
  readonly aloneMs: number;
  /** whether the engine can go on later from what it has said */
  readonly canContinue: () => boolean;
};

/** `park`: it goes on when somebody is back. `abandoned`: it ends. `unbind`: it goes on, whoever acks. */
export type Verdict = 'park' | 'abandoned' | 'unbind';

/** How long a run waits for viewers who do not ack, or are gone, and what then becomes of it. */
export class Patience {
  readonly #policy: NonNullable<PromptBody['onAbandon']>;
  readonly #holdMs: number;
  /** over all holds: viewers that ack a token now and then keep no slot for longer than those that ack none */
  #heldMs = 0;
  #lookedAt: number | undefined;

  /** @param holdMs most that a run which cannot be parked is held, ms */
  constructor(policy: PromptBody['onAbandon'], holdMs: number) {
    this.#policy = policy ?? 'park';
    this.#holdMs = holdMs;
  }

  /** To be asked a few times a second. */
  judge({ now, heldMs, aloneMs, canContinue }: Attention): Verdict | undefined {
    const passed = now - (this.#lookedAt ?? now);
    this.#lookedAt = now;
    if (heldMs > 0) this.#heldMs += Math.min(passed, heldMs);
    // With policy `cancel` nobody comes back to a run that is left alone: it ends, it is not parked.
    if (this.#policy === 'cancel' && aloneMs > 0)
      return aloneMs >= ABANDON_AFTER_MS ? 'abandoned' : undefined;
    if (heldMs < PARK_AFTER_MS) return undefined;
    if (canContinue()) return 'park';
    if (this.#policy === 'cancel' && heldMs >= this.#holdMs) return 'abandoned';
    return this.#heldMs >= this.#holdMs ? 'unbind' : undefined;
  }

  /**
   * How a run makes room for somebody who has fewer slots; undefined: it stays. One that waits for its viewers does
   * nothing in its slot. One that does may lose no text that somebody has seen.
   */
  wayOut(
    { heldMs, canContinue }: Attention,
    { isFarAhead, isUnseen }: { readonly isFarAhead: boolean; readonly isUnseen: boolean },
  ): 'park' | 'yield' | undefined {
    const isHeld = heldMs >= (isFarAhead ? PAUSE_MS : PARK_AFTER_MS);
    if (!isHeld && !(isFarAhead && (isUnseen || canContinue()))) return undefined;
    // Who is parked goes on when somebody acks. One that was held for a moment, or needs no viewer, comes back by itself.
    return heldMs >= PARK_AFTER_MS && this.#policy === 'park' ? 'park' : 'yield';
  }
}
