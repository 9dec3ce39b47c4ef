import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { SUBPROTOCOL } from '@sluice/protocol';
import { CLOSE, FrameDecoder, PING, PONG, TEXT } from './frame-decoder.ts';
import { encodeClientFrame } from './frame-encoder.ts';

export type EdgeTarget = { readonly kind: 'edge'; readonly port: number; readonly token: string };

/** What to connect to, always on 127.0.0.1. `bytes`: frames come at once, without a handshake. */
export type Target =
  | EdgeTarget
  | { readonly kind: 'relay'; readonly port: number }
  | { readonly kind: 'bytes'; readonly port: number };

export type PipeListener = {
  /** A text frame; the payload is valid only during the call. */
  text(payload: Buffer): void;
  /** Called at most once, and not after `close()`. */
  lost(reason: string): void;
};

/** One connection at the level of bytes. */
export type Pipe = {
  send(frame: object): void;
  /** Sends a frame that was encoded before. */
  sendEncoded(frame: Buffer): void;
  close(): void;
};

const HEADER_END = '\r\n\r\n';
/** One read buffer for all sockets: what it holds is used up before the next read. */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024);

const upgradeOf = (target: Exclude<Target, { kind: 'bytes' }>, path: string): string =>
  [
    `GET ${target.kind === 'edge' ? '/v1/ws' : path} HTTP/1.1`,
    `Host: 127.0.0.1:${target.port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: bG9hZCBnZW5lcmF0b3IhIQ==',
    ...(target.kind === 'edge'
      ? [`Sec-WebSocket-Protocol: ${SUBPROTOCOL}`, `Authorization: Bearer ${target.token}`]
      : []),
    HEADER_END.slice(2),
  ].join('\r\n');

/** Reads the answer to an upgrade; returns the bytes after it once it is complete. */
class Handshake {
  #answer = '';

  /** @throws Error when the answer is not 101 */
  push(bytes: Buffer): Buffer | undefined {
    this.#answer += bytes.toString('latin1');
    const end = this.#answer.indexOf(HEADER_END);
    if (end < 0) return undefined;
    if (!this.#answer.startsWith('HTTP/1.1 101 '))
      throw new Error(`expected 101, got ${this.#answer.slice(0, 100)}`);
    return Buffer.from(this.#answer.slice(end + HEADER_END.length), 'latin1');
  }
}

/** Resolves when the upgrade is done, or at once for `bytes`. @throws Error when it is refused */
export const openPipe = (target: Target, path: string, listener: PipeListener): Promise<Pipe> =>
  new Promise((resolve, reject) => {
    let closed = false;
    let handshake = target.kind === 'bytes' ? undefined : new Handshake();
    const lose = (reason: string): void => {
      socket.destroy();
      if (closed) return;
      closed = true;
      reject(new Error(reason));
      listener.lost(reason);
    };
    const decoder = new FrameDecoder((opcode, payload) => {
      if (opcode === TEXT) listener.text(payload);
      else if (opcode === PING) socket.write(encodeClientFrame(PONG, payload));
      else if (opcode === CLOSE) lose(closeReason(payload));
    });
    const pipe: Pipe = {
      send: (frame) => socket.write(encodeClientFrame(TEXT, JSON.stringify(frame))),
      sendEncoded: (frame) => socket.write(frame),
      close: () => {
        closed = true;
        socket.destroy();
      },
    };
    const onBytes = (bytes: Buffer): void => {
      if (handshake === undefined) return decoder.push(bytes);
      const rest = handshake.push(bytes);
      if (rest === undefined) return;
      handshake = undefined;
      resolve(pipe);
      decoder.push(rest);
    };
    const socket: Socket = connect({
      port: target.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (length) => guarded(onBytes, READ_BUFFER.subarray(0, length)),
      },
    });
    const guarded = (run: (bytes: Buffer) => void, bytes: Buffer): boolean => {
      try {
        run(bytes);
      } catch (error) {
        lose((error as Error).message);
      }
      return true;
    };
    socket.once('connect', () => {
      if (target.kind === 'bytes') resolve(pipe);
      else socket.write(upgradeOf(target, path));
    });
    socket.on('error', (error) => lose(error.message));
    socket.on('close', () => lose('the connection was closed'));
  });

const closeReason = (payload: Buffer): string =>
  payload.length < 2 ? 'closed' : `closed with ${payload.readUInt16BE(0)} ${payload.toString('utf8', 2)}`;
