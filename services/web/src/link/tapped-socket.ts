import type { WebSocketLike } from '@sluice/client';

type Events = {
  readonly open: undefined;
  readonly error: undefined;
  readonly message: { readonly data: unknown };
  readonly close: { readonly code: number; readonly reason: string };
};
type Listeners = { [Name in keyof Events]: ((event: Events[Name]) => void)[] };

/** What the faults of this tab decide for each socket. */
export interface Faults {
  /** false: the network is "down", a new socket fails at once */
  readonly isUp: boolean;
  /** ms between two frames that are let in; 0: as they come */
  readonly frameIntervalMs: number;
  /** @returns the text to send, undefined to keep it back */
  outgoing(text: string): string | undefined;
  incoming(data: unknown): void;
  opened(socket: TappedSocket): void;
  closed(socket: TappedSocket): void;
}

const ABNORMAL = 1006;
const CLOSED = 3;
/** Answers to pings jump the queue of a throttled socket: the link is slow, not dead. */
const PONG = '{"type":"pong"';

/**
 * A WebSocket that can be made to fail. The SDK talks to it as to any other and does not know: what is shown is
 * its real behaviour on a bad network.
 */
export class TappedSocket implements WebSocketLike {
  readonly #faults: Faults;
  readonly #socket: WebSocket | undefined;
  readonly #listeners: Listeners = { open: [], error: [], message: [], close: [] };
  /** frames that arrived and are not let in yet; the server keeps it within the window */
  readonly #waiting: { readonly data: unknown }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(url: string, protocols: string[], faults: Faults) {
    this.#faults = faults;
    if (!faults.isUp) {
      setTimeout(() => this.#end(ABNORMAL, 'the network is down'));
      return;
    }
    const socket = new WebSocket(url, protocols);
    this.#socket = socket;
    socket.addEventListener('open', () => this.#emit('open', undefined));
    socket.addEventListener('error', () => this.#emit('error', undefined));
    socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => this.#arrived({ data }));
    socket.addEventListener('close', ({ code, reason }) => this.#end(code, reason));
    faults.opened(this);
  }

  get protocol(): string {
    return this.#socket?.protocol ?? '';
  }

  get readyState(): number {
    return this.#isOver ? CLOSED : (this.#socket?.readyState ?? 0);
  }

  addEventListener<Name extends keyof Events>(type: Name, listener: (event: Events[Name]) => void): void {
    this.#listeners[type].push(listener);
  }

  send(text: string): void {
    const sent = this.#faults.outgoing(text);
    if (sent !== undefined) this.#socket?.send(sent);
  }

  close(code?: number, reason?: string): void {
    this.#socket?.close(code, reason);
  }

  /** As if the cable were pulled: nothing that is under way arrives any more, in either direction. */
  cut(): void {
    this.#end(ABNORMAL, 'cut from this page');
    this.#socket?.close();
  }

  /** The pace has changed. */
  repace(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drain();
  }

  #arrived(event: { readonly data: unknown }): void {
    const { data } = event;
    this.#faults.incoming(data);
    const isPong = typeof data === 'string' && data.startsWith(PONG);
    const isFree = this.#faults.frameIntervalMs === 0 && this.#waiting.length === 0;
    if (isPong || isFree) return this.#emit('message', event);
    this.#waiting.push(event);
    this.#drain();
  }

  #drain(): void {
    if (this.#timer !== undefined) return;
    const { frameIntervalMs } = this.#faults;
    do {
      const event = this.#waiting.shift();
      if (event === undefined) return;
      this.#emit('message', event);
    } while (frameIntervalMs === 0);
    this.#timer = setTimeout(() => this.repace(), frameIntervalMs);
  }

  #end(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    this.#faults.closed(this);
    for (const listener of this.#listeners.close) listener({ code, reason });
  }

  #emit<Name extends keyof Events>(type: Name, event: Events[Name]): void {
    if (this.#isOver) return;
    for (const listener of this.#listeners[type]) listener(event);
  }
}
