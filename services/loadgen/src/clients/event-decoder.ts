const START = Buffer.from('data: ');
const END = Buffer.from('\n\n');
const EMPTY = Buffer.alloc(0);

/**
 * Bytes of a chunked SSE answer -> the data of its events. Knows what our peer sends: each event is one line of
 * data and lies in one chunk, so that the chunks' own heads only come between events.
 */
export class EventDecoder {
  readonly #onData: (payload: Buffer) => void;
  /** the beginning of an event whose rest has not come */
  #rest = EMPTY;

  /** @param onData its payload is valid only during the call */
  constructor(onData: (payload: Buffer) => void) {
    this.#onData = onData;
  }

  /** @param bytes may be overwritten once this returns */
  push(bytes: Buffer): void {
    const input = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let offset = 0;
    for (;;) {
      const start = input.indexOf(START, offset);
      const end = start < 0 ? -1 : input.indexOf(END, start);
      if (end < 0) break;
      this.#onData(input.subarray(start + START.length, end));
      offset = end + END.length;
    }
    this.#rest = offset === input.length ? EMPTY : Buffer.from(input.subarray(offset));
  }
}
