/** A socket that takes none of what waits for it for this long is given up, ms. */
const STALL_MS = 60_000;

/** Notices a socket that has stopped moving, from the counters it keeps anyway. */
export class StallWatch {
  /** bytes the socket had taken when it was last seen to move, and when that was */
  #moved: { readonly bytes: number; readonly at: number };

  constructor(now: number) {
    this.#moved = { bytes: 0, at: now };
  }

  /** Looks at the socket; whether something has waited in it unmoved for {@link STALL_MS}. */
  isStalled(
    socket: { readonly bytesWritten: number; readonly writableLength: number },
    now: number,
  ): boolean {
    const { bytesWritten, writableLength } = socket;
    const bytes = bytesWritten - writableLength;
    if (writableLength > 0 && bytes === this.#moved.bytes) return now - this.#moved.at >= STALL_MS;
    this.#moved = { bytes, at: now };
    return false;
  }
}
