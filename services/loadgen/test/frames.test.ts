import { describe, expect, test } from '@jest/globals';
import { EventDecoder } from '../src/clients/event-decoder.ts';
import { FrameDecoder, PING, TEXT } from '../src/clients/frame-decoder.ts';
import { encodeClientFrame } from '../src/clients/frame-encoder.ts';

const serverFrame = (opcode: number, payload: Buffer): Buffer => {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.from([0x80 | opcode, length]), payload]);
  if (length < 0x10000)
    return Buffer.concat([Buffer.from([0x80 | opcode, 126, length >> 8, length & 0xff]), payload]);
  const header = Buffer.alloc(10);
  header[0] = 0x80 | opcode;
  header[1] = 127;
  header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
};

const unmask = (frame: Buffer, start: number): string =>
  Buffer.from(
    frame.subarray(start).map((byte, index) => byte ^ (frame[start - 4 + (index % 4)] as number)),
  ).toString();

describe('the frame decoder', () => {
  const frames: readonly (readonly [number, string])[] = [
    [TEXT, 'short'],
    [PING, ''],
    [TEXT, 'ä'.repeat(500)],
    [TEXT, 'x'.repeat(70_000)],
    [TEXT, 'last'],
  ];
  const bytes = Buffer.concat(frames.map(([opcode, text]) => serverFrame(opcode, Buffer.from(text))));

  test.each([1, 2, 3, 7, 1_000, 1_000_000])('finds all frames in reads of %i bytes', (size) => {
    const found: [number, string][] = [];
    const decoder = new FrameDecoder((opcode, payload) => found.push([opcode, payload.toString()]));
    const buffer = Buffer.alloc(Math.min(size, bytes.length));
    for (let at = 0; at < bytes.length; at += size) {
      // As the pipe does it, every read lands in the same buffer.
      const length = bytes.copy(buffer, 0, at, at + size);
      decoder.push(buffer.subarray(0, length));
    }
    expect(found).toEqual(frames);
  });
});

describe('the frame encoder', () => {
  test.each([0, 5, 125, 126, 60_000])('masks a payload of %i bytes', (length) => {
    const text = 'y'.repeat(length);
    const frame = encodeClientFrame(TEXT, text);
    expect(frame[0]).toBe(0x81);
    expect((frame[1] as number) & 0x80).toBe(0x80);
    expect(unmask(frame, length < 126 ? 6 : 8)).toBe(text);
  });

  test('refuses what needs a longer header than it knows', () => {
    expect(() => encodeClientFrame(TEXT, 'z'.repeat(0x10000))).toThrow(RangeError);
  });
});

describe('the event decoder', () => {
  const events = ['{"a":1}', `{"b":"${'ä'.repeat(300)}"}`, '{"c":"data: no event"}'];
  const chunkOf = (event: string): string => {
    const line = `data: ${event}\n\n`;
    return `${Buffer.byteLength(line).toString(16)}\r\n${line}\r\n`;
  };
  const bytes = Buffer.from(events.map(chunkOf).join(''));

  test.each([1, 2, 7, 1_000])('finds all events of a chunked answer in reads of %i bytes', (size) => {
    const found: string[] = [];
    const decoder = new EventDecoder((payload) => found.push(payload.toString()));
    for (let at = 0; at < bytes.length; at += size) decoder.push(Buffer.from(bytes.subarray(at, at + size)));
    expect(found).toEqual(events);
  });
});
