import type { Lead } from '@sluice/protocol';

/** Fixed lead of `strict`, and the floor of `adaptive`. */
export const MIN_LEAD = 16;
/** Ceiling of `adaptive`. */
export const MAX_LEAD = 256;
/** Lead of `adaptive` until the first round trip is measured: enough to keep 200 tokens/s at 300 ms. */
export const INITIAL_LEAD = 64;

/** A longer round trip is a viewer that stalled, not a path that is slow. */
const MAX_ROUND_TRIP_MS = 2_000;
const SMOOTHING = 0.25;
/**
 * Speed is measured over spans of this much open time, so that bursts do not look like speed; or of so many
 * tokens, for engines that use up any lead within a millisecond.
 */
const SPEED_SPAN_MS = 100;
const SPEED_SPAN_TOKENS = MAX_LEAD;

/**
 * How far a worker may run ahead of the governing ack:
 * clamp(2 x tokens/s x ack round trip, 16, 256), or 16 in `strict`.
 * Pure: every call takes the time. Speed is measured in time the gate was open, so being held does
 * not talk the lead down, and an engine that is held all the time is measured too.
 */
export class LeadGate {
  readonly mode: Lead;
  #taken: number;
  #acked: number;
  #unbounded = false;
  #roundTripMs: number | undefined;
  #tokensPerMs: number | undefined;
  #probe: { readonly seq: number; readonly at: number } | undefined;
  /** `at` moves on with every hold: now - at is open time */
  #span: { readonly from: number; at: number } | undefined;
  #shutAt: number | undefined;

  /**
   * @param seq tokens already stored when this run starts. How many of them somebody has seen is not known
   *   yet, so the lead counts as used up until {@link govern} says otherwise.
   */
  constructor(mode: Lead, seq = 0) {
    this.mode = mode;
    this.#taken = seq;
    this.#acked = Math.max(0, seq - this.lead);
  }

  /** Most tokens that may be ahead of the governing ack right now. */
  get lead(): number {
    if (this.mode === 'strict') return MIN_LEAD;
    if (this.#roundTripMs === undefined || this.#tokensPerMs === undefined) return INITIAL_LEAD;
    const wanted = Math.ceil(2 * this.#tokensPerMs * this.#roundTripMs);
    return Math.min(MAX_LEAD, Math.max(MIN_LEAD, wanted));
  }

  get acked(): number {
    return this.#acked;
  }

  /** Whether anybody's acks count. */
  get isGoverned(): boolean {
    return !this.#unbounded;
  }

  /** Whether the next token may be taken from the engine. */
  get open(): boolean {
    return this.#unbounded || this.#taken - this.#acked < this.lead;
  }

  /** One token was taken from the engine at `now` (ms). */
  take(now: number): void {
    this.#taken += 1;
    this.#probe ??= { seq: this.#taken, at: now };
    this.#span ??= { from: this.#taken, at: now };
    const ms = now - this.#span.at;
    const tokens = this.#taken - this.#span.from;
    if (ms >= SPEED_SPAN_MS || tokens >= SPEED_SPAN_TOKENS) {
      this.#tokensPerMs = smooth(this.#tokensPerMs, tokens / Math.max(ms, 1));
      this.#span = { from: this.#taken, at: now };
    }
    this.#noteHold(now);
  }

  /**
   * The governing ack is now `seq`; it may fall, when the viewer that led leaves. Infinity: nothing
   * governs and the gate stays open.
   */
  govern(seq: number, now: number): void {
    this.#unbounded = seq === Infinity;
    if (!this.#unbounded) this.#ack(seq, now);
    this.#noteHold(now);
  }

  #ack(seq: number, now: number): void {
    this.#acked = Math.min(seq, this.#taken);
    if (this.#probe === undefined || seq < this.#probe.seq) return;
    const sample = Math.min(now - this.#probe.at, MAX_ROUND_TRIP_MS);
    this.#roundTripMs = smooth(this.#roundTripMs, sample);
    this.#probe = undefined;
  }

  #noteHold(now: number): void {
    if (!this.open) this.#shutAt ??= now;
    else if (this.#shutAt !== undefined) {
      if (this.#span !== undefined) this.#span.at += now - this.#shutAt;
      this.#shutAt = undefined;
    }
  }
}

const smooth = (average: number | undefined, sample: number): number =>
  average === undefined ? sample : average + SMOOTHING * (sample - average);
