/** A socket that takes none of what waits for it for this long is given up, ms. */
const STALL_MS = 60_000;

type Progress = {
  /** how much was taken since the beginning */
  readonly taken: number;
  /** and how much waits to be */
  readonly waiting: number;
};

/** Notices that something has stopped moving, from how much of it was taken. */
export class StallWatch {
  readonly #mostMs: number;
  /** the most that was taken, and since when no more is: fields, since every socket is looked at twice a second */
  #taken = 0;
  #movedAt: number;

  constructor(now: number, mostMs = STALL_MS) {
    this.#mostMs = mostMs;
    this.#movedAt = now;
  }

  /** Whether something has waited unmoved for too long. */
  isStalled({ taken, waiting }: Progress, now: number): boolean {
    if (waiting > 0 && taken <= this.#taken) return now - this.#movedAt >= this.#mostMs;
    this.#taken = taken;
    this.#movedAt = now;
    return false;
  }
}

/** What the kernel has taken of what was written to a socket. */
export const progressOf = ({
  bytesWritten,
  writableLength: waiting,
}: {
  readonly bytesWritten: number;
  readonly writableLength: number;
}): Progress => ({ taken: bytesWritten - waiting, waiting });
