import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { TEXT } from './frame-decoder.ts';
import { encodeClientFrame } from './frame-encoder.ts';
import { wireOf } from './wire.ts';
import type { Target, Wire } from './wire.ts';

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

/** One read buffer for all sockets: what it holds is used up before the next read. */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024);

/** Resolves when frames can be sent. @throws Error when the connection is refused */
export const openPipe = (target: Target, path: string, listener: PipeListener): Promise<Pipe> =>
  new Promise((resolve, reject) => {
    let closed = false;
    let wire: Wire | undefined;
    const lose = (reason: string): void => {
      socket.destroy();
      if (closed) return;
      closed = true;
      reject(new Error(reason));
      listener.lost(reason);
    };
    const pipe: Pipe = {
      send: (frame) => socket.write(encodeClientFrame(TEXT, JSON.stringify(frame))),
      sendEncoded: (frame) => socket.write(frame),
      close: () => {
        closed = true;
        socket.destroy();
      },
    };
    const onRead = (length: number): boolean => {
      try {
        wire?.push(READ_BUFFER.subarray(0, length));
      } catch (error) {
        lose((error as Error).message);
      }
      return true;
    };
    const socket: Socket = connect({
      port: target.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: READ_BUFFER, callback: onRead },
    });
    socket.once('connect', () => {
      wire = wireOf(target, path, {
        ready: () => resolve(pipe),
        text: (payload) => listener.text(payload),
        lost: lose,
        write: (bytes) => socket.write(bytes),
      });
      if (wire.greeting !== '') socket.write(wire.greeting);
    });
    socket.on('error', (error) => lose(error.message));
    socket.on('close', () => lose('the connection was closed'));
  });
