import type { RawData, WebSocket } from 'ws';
import type { OpenSocket } from './open-socket.ts';

/**
 * The WebSockets that are open, and what listens to them: one set of listeners, which finds whose event it is by the
 * socket that it is called on. A set for each would be half a KiB of every connection.
 */
export class OpenSockets {
  readonly #open = new Map<WebSocket, OpenSocket>();
  readonly #listeners = listenersOf(this.#open);

  get all(): readonly OpenSocket[] {
    return [...this.#open.values()];
  }

  add(ws: WebSocket, open: OpenSocket): void {
    this.#open.set(ws, open);
    const { message, ping, pong, error, close } = this.#listeners;
    ws.on('message', message).on('ping', ping).on('pong', pong).on('error', error).on('close', close);
  }

  /** Called about once a second. */
  tick(now: number): void {
    for (const open of this.#open.values()) open.tick(now);
  }

  ping(): void {
    for (const open of this.#open.values()) open.ping();
  }
}

const listenersOf = (sockets: Map<WebSocket, OpenSocket>) => ({
  message(this: WebSocket, bytes: RawData, isBinary: boolean): void {
    sockets.get(this)?.onMessage({ bytes: bytes as Buffer, isBinary });
  },
  ping(this: WebSocket): void {
    sockets.get(this)?.onPing();
  },
  pong(this: WebSocket): void {
    sockets.get(this)?.onPong();
  },
  /** ws closes the socket itself after a protocol error; the close event follows. */
  error(this: WebSocket, error: Error): void {
    sockets.get(this)?.onError(error);
  },
  close(this: WebSocket): void {
    sockets.get(this)?.onClose();
    sockets.delete(this);
  },
});
