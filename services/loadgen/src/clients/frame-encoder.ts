const FINAL = 0x80;
const MASKED = 0x80;
/** Fixed: nothing here goes through a proxy that masks protect. Not zero, which servers need not undo. */
const MASK = [0x37, 0xfa, 0x21, 0x3d] as const;

/** One frame from a WebSocket client, as it goes on the wire. @throws RangeError from 64 KiB on */
export const encodeClientFrame = (opcode: number, payload: string | Buffer): Buffer => {
  const length = Buffer.byteLength(payload);
  if (length >= 0x10000) throw new RangeError(`client frame: expected less than 64 KiB, got ${length}`);
  const start = length < 126 ? 6 : 8;
  const frame = Buffer.allocUnsafe(start + length);
  frame[0] = FINAL | opcode;
  frame[1] = MASKED | Math.min(length, 126);
  if (length >= 126) frame.writeUInt16BE(length, 2);
  frame.set(MASK, start - MASK.length);
  if (typeof payload === 'string') frame.write(payload, start);
  else payload.copy(frame, start);
  for (let at = 0; at < length; at += 1)
    frame[start + at] = (frame[start + at] as number) ^ (MASK[at & 3] as number);
  return frame;
};
