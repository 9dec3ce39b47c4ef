import type { Socket } from 'node:net';

/** `up` is client to server, `down` is server to client. */
export type Direction = 'up' | 'down';

/** What is wrong with the network now; pipes read it at every step, so a change applies at once. */
export type Faults = {
  /** one way */
  latencyMs: number;
  /** added to the latency, evenly from 0 to this */
  jitterMs: number;
  /** per connection and direction */
  bytesPerSecond: number | undefined;
  sliceBytes: number | undefined;
  blackhole: Direction | 'both' | 'none';
};

export type PipeOptions = {
  readonly source: Socket;
  readonly target: Socket;
  readonly direction: Direction;
  readonly faults: Faults;
  readonly random: () => number;
  /** forward exactly this many bytes, then call `onCut` */
  readonly cutAfterBytes?: number | undefined;
  readonly onCut: () => void;
};

type Delayed = { readonly bytes: Buffer | 'end'; readonly dueAt: number };

// What is due and cannot be written yet: small, so that a throttled or stalled reader is felt by the sender.
const MAX_READY_BYTES = 64 * 1024;
// What is on the way: a long fat line holds bandwidth x delay, and a smaller bound would be a throttle.
const MAX_DELAYED_BYTES = 16 * 1024 * 1024;
const PACE_MS = 10;

/**
 * One direction of one connection: socket -> delay line -> ready bytes -> socket. Order is kept, both stages are
 * bounded, and reading pauses when either is full.
 */
export class FaultPipe {
  readonly #options: PipeOptions;
  readonly #line: Delayed[] = [];
  readonly #ready: (Buffer | 'end')[] = [];
  #delayedBytes = 0;
  #readyBytes = 0;
  #lastDueAt = 0;
  #freeAt = 0;
  #budget: number;
  #arrival: NodeJS.Timeout | undefined;
  #isPumping = false;
  #closed = false;

  constructor(options: PipeOptions) {
    this.#options = options;
    this.#budget = options.cutAfterBytes ?? Number.POSITIVE_INFINITY;
    options.source.on('data', (bytes: Buffer) => this.#accept(bytes));
    options.source.once('end', () => this.#accept('end'));
    options.target.on('drain', () => this.#pump());
    if (this.#isBlackholed) options.source.pause();
  }

  /** The faults changed. */
  wake(): void {
    this.#arrive();
    this.#gate();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#arrival);
    this.#line.length = 0;
    this.#ready.length = 0;
  }

  get #isBlackholed(): boolean {
    const { blackhole } = this.#options.faults;
    return blackhole === 'both' || blackhole === this.#options.direction;
  }

  #accept(bytes: Buffer | 'end'): void {
    const { faults, random } = this.#options;
    const delayMs = faults.latencyMs + random() * faults.jitterMs;
    // Jitter must not reorder: nothing is due before what was sent earlier.
    this.#lastDueAt = Math.max(this.#lastDueAt, performance.now() + delayMs);
    this.#line.push({ bytes, dueAt: this.#lastDueAt });
    if (bytes !== 'end') this.#delayedBytes += bytes.length;
    this.#arrive();
    this.#gate();
  }

  /** Moves what is due from the line to the ready bytes, and sets one timer for the next. */
  #arrive(): void {
    clearTimeout(this.#arrival);
    const now = performance.now();
    for (let head = this.#line[0]; head && head.dueAt <= now; head = this.#line[0]) {
      this.#line.shift();
      this.#ready.push(head.bytes);
      if (head.bytes === 'end') continue;
      this.#delayedBytes -= head.bytes.length;
      this.#readyBytes += head.bytes.length;
    }
    const next = this.#line[0];
    if (next && !this.#closed) this.#arrival = setTimeout(() => this.wake(), Math.ceil(next.dueAt - now));
    this.#pump();
  }

  #gate(): void {
    const { source } = this.#options;
    const isFull = this.#readyBytes > MAX_READY_BYTES || this.#delayedBytes > MAX_DELAYED_BYTES;
    if (isFull || this.#isBlackholed) source.pause();
    else if (!this.#closed) source.resume();
  }

  #pump(): void {
    if (this.#isPumping || this.#closed) return;
    this.#isPumping = true;
    const waitMs = this.#writeWhatIsAllowed();
    this.#isPumping = false;
    this.#gate();
    if (waitMs === undefined) return;
    this.#isPumping = true;
    const again = (): void => {
      this.#isPumping = false;
      this.#pump();
    };
    // Slices get a turn of the event loop each, so that the kernel sees separate writes.
    if (waitMs === 0) setImmediate(again);
    else setTimeout(again, waitMs);
  }

  /** Writes until something says wait. Returns ms to the next try; undefined: an event will call. */
  #writeWhatIsAllowed(): number | undefined {
    const { target, faults } = this.#options;
    while (!this.#closed && !this.#isBlackholed && !target.writableNeedDrain) {
      const head = this.#ready[0];
      if (head === undefined) return undefined;
      const waitMs = faults.bytesPerSecond === undefined ? 0 : this.#freeAt - performance.now();
      if (waitMs > 0) return waitMs;
      if (head === 'end') {
        this.#ready.shift();
        target.end();
        return undefined;
      }
      this.#write(head);
      if (faults.sliceBytes !== undefined) return 0;
    }
    return undefined;
  }

  #write(head: Buffer): void {
    const { target, faults, onCut } = this.#options;
    const paced =
      faults.bytesPerSecond === undefined ? head.length : (faults.bytesPerSecond * PACE_MS) / 1_000;
    const size = Math.max(
      1,
      Math.floor(Math.min(head.length, paced, faults.sliceBytes ?? Infinity, this.#budget)),
    );
    const piece = head.subarray(0, size);
    if (size === head.length) this.#ready.shift();
    else this.#ready[0] = head.subarray(size);
    this.#readyBytes -= size;
    this.#budget -= size;
    if (faults.bytesPerSecond !== undefined)
      this.#freeAt = Math.max(this.#freeAt, performance.now()) + (size / faults.bytesPerSecond) * 1_000;
    target.write(piece);
    if (this.#budget > 0) return;
    this.close();
    onCut();
  }
}
