import type { Delta } from './assembled-text.ts';

/** A reader's place in a {@link DeltaLog}. */
export interface Cursor {
  /** Everything due of one kind as one delta; undefined when there is nothing new. */
  next(): Delta | undefined;
  close(): void;
}

const sameKind = (left: Delta, right: Delta): boolean =>
  left.kind === right.kind &&
  left.tool?.index === right.tool?.index &&
  left.part?.index === right.part?.index &&
  // Another id under the same index is another call.
  (right.tool?.id === undefined || right.tool.id === left.tool?.id);

const joined = (left: Delta, right: Delta): Delta => ({
  ...left,
  seq: right.seq,
  text: left.text + right.text,
});

/**
 * The deltas of one generation, for any number of readers at their own pace. What nobody has read yet is joined
 * with what follows, as the server joins frames for a slow viewer, so a slow or late reader gets few large
 * deltas and no reader has a queue of its own.
 */
export class DeltaLog {
  #runs: Delta[] = [];
  /** of each open cursor: how many runs it has read */
  readonly #readers = new Set<{ read: number }>();

  append(delta: Delta): void {
    const last = this.#runs.at(-1);
    const isOpen = last !== undefined && !this.#isLastRunRead();
    if (isOpen && sameKind(last, delta)) this.#runs[this.#runs.length - 1] = joined(last, delta);
    else if (isOpen && last.seq === 0) this.#runs[this.#runs.length - 1] = delta;
    else this.#runs.push(delta);
  }

  /**
   * The text restarted: every reader starts over. What it reads first says so, even if no token follows: an
   * empty delta of the new epoch, unless there is a real one by then.
   */
  restart(epoch: number): void {
    this.#runs = [{ epoch, from: 0, seq: 0, text: '' }];
    for (const reader of this.#readers) reader.read = 0;
  }

  /** A reader that begins with the first token there is. */
  open(): Cursor {
    const reader = { read: 0 };
    this.#readers.add(reader);
    return {
      next: () => {
        const run = this.#runs[reader.read];
        if (run !== undefined) reader.read += 1;
        return run;
      },
      close: () => {
        this.#readers.delete(reader);
        if (this.#readers.size === 0) this.#compact();
      },
    };
  }

  #isLastRunRead(): boolean {
    return [...this.#readers].some(({ read }) => read >= this.#runs.length);
  }

  /** Without readers, one run for each change of kind is enough. */
  #compact(): void {
    const runs = this.#runs;
    this.#runs = [];
    for (const run of runs) this.append(run);
  }
}
