import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { waitFor } from '@sluice/testkit';
import { tokenOf } from './world.ts';
import type { TestEdge } from './world.ts';

export type FrameOptions = {
  readonly opcode?: number;
  readonly fin?: boolean;
  /** reserved bits, 0..7 */
  readonly rsv?: number;
  readonly masked?: boolean;
  /** what the header says, where that is not the payload's length */
  readonly length?: number;
};

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** One WebSocket frame as bytes, however wrong it is. */
export const frameBytes = (payload: Buffer | string, options: FrameOptions = {}): Buffer => {
  const { opcode = OPCODE.text, fin = true, rsv = 0, masked = true } = options;
  const body = Buffer.from(payload as string);
  const length = options.length ?? body.length;
  const head = Buffer.alloc(length < 126 ? 2 : length < 0x10000 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | (length < 126 ? length : length < 0x10000 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  if (!masked) return Buffer.concat([head, body]);
  const mask = randomBytes(4);
  const hidden = body.map((byte, index) => byte ^ (mask[index % 4] as number));
  return Buffer.concat([head, mask, hidden]);
};

export const closePayload = (code: number, reason = ''): Buffer => {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
};

/** A WebSocket by hand: writes any bytes, and says how the server closed. */
export type Wire = {
  readonly socket: Socket;
  /** of every frame received so far */
  readonly opcodes: readonly number[];
  /** texts received so far */
  readonly texts: string[];
  write(...frames: Buffer[]): void;
  /** close code the server sent; undefined when the connection ended without one */
  readonly closed: Promise<number | undefined>;
};

const parseInto = (received: Buffer, onFrame: (opcode: number, payload: Buffer) => void): Buffer => {
  let rest = received;
  for (;;) {
    if (rest.length < 2) return rest;
    const short = (rest[1] as number) & 0x7f;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (rest.length < head) return rest;
    const length = short < 126 ? short : short === 126 ? rest.readUInt16BE(2) : rest.readUInt32BE(6);
    if (rest.length < head + length) return rest;
    onFrame((rest[0] as number) & 0x0f, rest.subarray(head, head + length));
    rest = rest.subarray(head + length);
  }
};

/** Upgrades by hand and authenticates; resolves after `ready`. */
export const openWire = async ({ edge }: TestEdge, token = tokenOf()): Promise<Wire> => {
  const socket = connect(edge.port, '127.0.0.1');
  const [opcodes, texts]: [number[], string[]] = [[], []];
  let received: Buffer = Buffer.alloc(0);
  let isUpgraded = false;
  let code: number | undefined;
  const onFrame = (opcode: number, payload: Buffer): void => {
    opcodes.push(opcode);
    if (opcode === OPCODE.text) texts.push(payload.toString());
    if (opcode !== OPCODE.close) return;
    code = payload.length < 2 ? undefined : payload.readUInt16BE(0);
    socket.end();
  };
  const closed = new Promise<number | undefined>((resolve) => socket.on('close', () => resolve(code)));
  // A reset after a protocol error is an end like any other.
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    const end = received.indexOf('\r\n\r\n');
    if (!isUpgraded && end < 0) return;
    if (!isUpgraded) received = received.subarray(end + 4);
    isUpgraded = true;
    received = parseInto(received, onFrame);
  });
  socket.write(
    `GET /v1/ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n` +
      `sec-websocket-key: ${randomBytes(16).toString('base64')}\r\nsec-websocket-protocol: sluice.v1\r\n` +
      `authorization: Bearer ${token}\r\n\r\n`,
  );
  await waitFor(() => texts.length > 0, { what: '`ready` on a raw socket', pollMs: 1 });
  const write: Wire['write'] = (...frames) => void socket.write(Buffer.concat(frames));
  return { socket, opcodes, texts, closed, write };
};
