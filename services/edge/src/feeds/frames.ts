import type { Slice } from '@sluice/core';
import type { GenerationKey, ServerFrame } from '@sluice/protocol';

/**
 * One frame, encoded once and written to any number of sockets: a WebSocket header directly followed
 * by the JSON payload, in one buffer. Other transports read what it says; that is parsed once as well.
 */
export class Frame {
  /** header and payload, as they go on a WebSocket */
  readonly bytes: Buffer;
  /** the JSON alone */
  readonly payload: Buffer;
  #json: string | undefined;
  #content: ServerFrame | undefined;

  constructor(bytes: Buffer, headerLength: number) {
    this.bytes = bytes;
    this.payload = bytes.subarray(headerLength);
  }

  get json(): string {
    return (this.#json ??= this.payload.toString());
  }
  get content(): ServerFrame {
    return (this.#content ??= JSON.parse(this.json) as ServerFrame);
  }
}

const FINAL_TEXT = 0x81;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

const headerBytes = (length: number): number => (length < LENGTH_16 ? 2 : length < 0x10000 ? 4 : 10);

const allocate = (length: number): Frame => {
  const header = headerBytes(length);
  const bytes = Buffer.allocUnsafe(header + length);
  bytes[0] = FINAL_TEXT;
  if (header === 2) bytes[1] = length;
  else if (header === 4) {
    bytes[1] = LENGTH_16;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = LENGTH_64;
    bytes.writeUInt32BE(0, 2);
    bytes.writeUInt32BE(length, 6);
  }
  return new Frame(bytes, header);
};

/** For every frame but deltas: they are rare enough for plain JSON. */
export const encodeFrame = (frame: ServerFrame): Frame => encodeText(JSON.stringify(frame));

/** A text of any protocol as a frame of its own. */
export const encodeText = (text: string): Frame => {
  const encoded = allocate(Buffer.byteLength(text));
  encoded.payload.write(text, 0);
  return encoded;
};

/** The part of a generation's delta frames that never changes. */
export const deltaPrefix = ({ session, generation }: GenerationKey): string =>
  `{"type":"delta","session":"${session}","generation":"${generation}","epoch":`;

export type DeltaHead = {
  readonly prefix: string;
  readonly epoch: number;
  readonly from: number;
  readonly at: number;
};

/** Splices a slice, which is JSON-escaped already, between the two ends of its frame. */
export const encodeDelta = ({ prefix, epoch, from, at }: DeltaHead, slice: Slice): Frame => {
  const head = `${prefix}${epoch},"from":${from},"seq":${slice.seq},"text":"`;
  const kind = slice.kind === 'text' ? '' : `,"kind":"${slice.kind}"`;
  const ref = refOf(slice);
  const refBytes = ref === '' ? 0 : Buffer.byteLength(ref);
  const end = `,"at":${at}}`;
  const length = head.length + slice.text.length + 1 + kind.length + refBytes + end.length;
  const frame = allocate(length);
  const { payload } = frame;
  let offset = payload.write(head, 0, 'latin1');
  offset += slice.text.copy(payload, offset);
  offset += payload.write(`"${kind}`, offset, 'latin1');
  if (refBytes > 0) offset += payload.write(ref, offset);
  payload.write(end, offset, 'latin1');
  return frame;
};

/** Which call or part it belongs to. */
const refOf = ({ tool, part }: Slice): string => {
  if (tool !== undefined) return `,"tool":${JSON.stringify(tool)}`;
  return part === undefined ? '' : `,"part":${JSON.stringify(part)}`;
};
