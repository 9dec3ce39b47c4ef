export const TEXT = 0x1;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

export type OnFrame = (opcode: number, payload: Buffer) => void;

const EMPTY = Buffer.alloc(0);

/**
 * Bytes from a WebSocket server -> frames. Knows what our servers send: whole, unmasked frames.
 * A payload is a view that is valid only during the callback.
 */
export class FrameDecoder {
  readonly #onFrame: OnFrame;
  /** the beginning of a frame whose rest has not come */
  #rest = EMPTY;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /** @param bytes may be overwritten once this returns */
  push(bytes: Buffer): void {
    const input = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let offset = 0;
    for (;;) {
      const header = headerAt(input, offset);
      if (header === undefined || input.length < header.end) break;
      this.#onFrame(header.opcode, input.subarray(header.start, header.end));
      offset = header.end;
    }
    this.#rest = offset === input.length ? EMPTY : Buffer.from(input.subarray(offset));
  }
}

type Header = { readonly opcode: number; readonly start: number; readonly end: number };

const headerAt = (input: Buffer, offset: number): Header | undefined => {
  if (input.length < offset + 2) return undefined;
  const opcode = (input[offset] as number) & 0x0f;
  const short = (input[offset + 1] as number) & 0x7f;
  if (short < 126) return { opcode, start: offset + 2, end: offset + 2 + short };
  const start = offset + (short === 126 ? 4 : 10);
  if (input.length < start) return undefined;
  const length = short === 126 ? input.readUInt16BE(offset + 2) : Number(input.readBigUInt64BE(offset + 2));
  return { opcode, start, end: start + length };
};
