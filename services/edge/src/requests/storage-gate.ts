import type { Link, StreamState } from '@sluice/bus';
import { SluiceError } from '@sluice/protocol';
import type { Clock, Logger, Timer } from '@sluice/runtime';

/** Above this fill of the fullest stream nothing new is admitted, so that running generations can still end. */
const FULL = 0.8;
/** From this fill on it is read more often, while there is room. */
const NEAR = 0.5;
const READ_MS = 5_000;
const READ_NEAR_MS = 500;
/** An edge admits this share of the room that it read, then it reads again: up to so many edges pass no gate together. */
const SHARE = 1 / 32;

/**
 * Admits what is stored for a client while the streams have room. Other edges fill them too, which only a reading tells:
 * the less room there is, the sooner the next one.
 */
export class StorageGate {
  readonly #link: Pick<Link, 'streams'>;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #timer: Timer;
  #reading: Promise<void> | undefined;
  /** bytes that the tightest stream took below the gate at the last reading */
  #room = Infinity;
  /** bytes admitted since that reading began */
  #admitted = 0;
  #fullness: ReadonlyMap<string, number> = new Map();
  #maxBytes = Infinity;
  #isClosed = false;

  constructor(link: Pick<Link, 'streams'>, logger: Logger, clock: Clock) {
    this.#link = link;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Resolves after a first look: an edge that starts on a full store admits nothing. */
  open(): Promise<void> {
    return this.#read();
  }

  /** How full each stream is, 0..1, as last read. */
  get fullness(): ReadonlyMap<string, number> {
    return this.#fullness;
  }

  /** What the smallest of the streams holds that keep what clients say, as last read. */
  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** Resolves when so many bytes may be stored. @throws SluiceError unavailable when the storage is nearly full */
  async admit(bytes: number): Promise<void> {
    while (this.#admitted > 0 && this.#admitted + bytes > this.#room * SHARE) await this.#read();
    if (bytes > this.#room)
      throw new SluiceError('unavailable', 'storage is nearly full: nothing new', { retryAfterMs: 30_000 });
    this.#admitted += bytes;
  }

  close(): void {
    this.#isClosed = true;
    this.#clock.clearTimeout(this.#timer);
  }

  #read(): Promise<void> {
    return (this.#reading ??= this.#look().finally(() => (this.#reading = undefined)));
  }

  async #look(): Promise<void> {
    this.#clock.clearTimeout(this.#timer);
    this.#admitted = 0;
    try {
      const streams = await this.#link.streams();
      this.#room = Math.min(...streams.map(roomOf));
      this.#maxBytes = Math.min(
        ...streams.flatMap(({ name, maxBytes }) => (KEEPERS.has(name) ? maxBytes : [])),
      );
      this.#fullness = new Map(streams.map(({ name, fullness }) => [name, fullness]));
    } catch (error) {
      this.#logger.warn('stream_usage_failed', { error });
    }
    // A closed gate is in no hurry: nothing fills the streams through it.
    const isNear = Math.max(...this.#fullness.values(), 0) >= NEAR && this.#room > 0;
    const ms = isNear ? READ_NEAR_MS : READ_MS;
    if (!this.#isClosed) this.#timer = this.#clock.setTimeout(() => void this.#read(), ms);
  }
}

/** Streams that keep what clients say for as long as their sessions. */
const KEEPERS: ReadonlySet<string> = new Set(['KV_SESSIONS', 'KV_PROMPTS', 'BODIES']);

/** Streams that no text of a client's goes to: they are small, and a large prompt need not fit them. */
const TEXTLESS: ReadonlySet<string> = new Set([
  ...['CARDS', 'COUNTERS', 'JOBS', 'KV_ORGS', 'KV_REVOKED', 'KV_WORKERS', 'RATES', 'USAGE'],
]);

const roomOf = ({ name, fullness, maxBytes }: StreamState): number => {
  const room = Math.max(0, (FULL - fullness) * maxBytes);
  return room > 0 && TEXTLESS.has(name) ? Infinity : room;
};
