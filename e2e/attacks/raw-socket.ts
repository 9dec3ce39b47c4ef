import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { SUBPROTOCOL } from '@sluice/protocol';

/** A TCP connection that says what it likes, and that nobody's rules end but the edge's. */
export type RawSocket = {
  readonly socket: Socket;
  /** what came so far; the newest 64 KiB */
  readonly received: () => string;
  readonly isOpen: () => boolean;
  /** Resolves when the kernel has taken it, or the connection is over. */
  send(bytes: string | Uint8Array): Promise<void>;
  /** Says the same over and over, as fast as it is taken, at most `bytesPerSecond`. @returns bytes sent */
  flood(bytes: Uint8Array, options: FloodOptions): Promise<number>;
  /** Stops reading. Data fills the kernel’s buffer first, then the sender’s. */
  pause(): void;
  resume(): void;
  /** Ends it without a closing handshake. */
  destroy(): void;
};

export type FloodOptions = { readonly forMs: number; readonly bytesPerSecond: number };

const MAX_RECEIVED_CHARS = 64 * 1024;
const TURN_MS = 10;

/** @param url of the edge, `http://…` @param from an address of the loopback, for an attacker with several */
export const openRawSocket = async (url: string, from?: string): Promise<RawSocket> => {
  const { hostname, port } = new URL(url);
  const local = from === undefined ? {} : { localAddress: from };
  const socket = connect({ host: hostname, port: Number(port), ...local });
  let received = '';
  socket.on('data', (bytes) => (received = (received + bytes.toString('latin1')).slice(-MAX_RECEIVED_CHARS)));
  await once(socket, 'connect');
  // An attacker notices that the edge cut it off by the close of its connection.
  socket.on('error', () => undefined);
  const send = (bytes: string | Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      if (socket.destroyed) return resolve();
      socket.once('close', resolve);
      socket.write(bytes, () => {
        socket.off('close', resolve);
        resolve();
      });
    });
  return {
    socket,
    send,
    received: () => received,
    isOpen: () => !socket.destroyed && !socket.readableEnded,
    flood: async (bytes, { forMs, bytesPerSecond }) => {
      const begun = performance.now();
      let sent = 0;
      for (let elapsed = 0; elapsed < forMs && !socket.destroyed; elapsed = performance.now() - begun) {
        for (; sent < (bytesPerSecond * elapsed) / 1_000 && !socket.destroyed; sent += bytes.byteLength)
          await send(bytes);
        await new Promise((resolve) => setTimeout(resolve, TURN_MS));
      }
      return sent;
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    destroy: () => socket.destroy(),
  };
};

/** A request as text, to be sent whole or in part. `Host` comes first. */
export const requestText = (
  method: string,
  path: string,
  { headers = {}, body = '' }: { headers?: Readonly<Record<string, string>>; body?: string } = {},
): string => {
  const length = body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const fields = Object.entries({ host: 'edge', ...headers, ...length });
  return `${method} ${path} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
};

/** The upgrade to a WebSocket, without a credential unless `headers` has one. */
export const upgradeText = (path = '/v1/ws', headers: Readonly<Record<string, string>> = {}): string =>
  requestText('GET', path, {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
      'sec-websocket-protocol': SUBPROTOCOL,
      ...headers,
    },
  });

/** A text as one WebSocket frame of a client, masked with zeros so that it can be sent over and over. */
export const textFrame = (text: string): Uint8Array => {
  const payload = Buffer.from(text);
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  head[0] = 0x81;
  if (length < 126) head[1] = 0x80 | length;
  else if (length < 65_536) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
};
