import type { Fetch, WebSocketConstructor } from '@sluice/client';
import { TappedSocket } from './tapped-socket.ts';
import type { Faults } from './tapped-socket.ts';

export type TapState = {
  readonly isUp: boolean;
  readonly acksHeld: boolean;
  /** ms between two frames that are let in; 0: as they come */
  readonly frameIntervalMs: number;
};

/** An ack as it left this tab; `held` while it is kept back. */
export type SentAck = { readonly generation: string; readonly epoch: number; readonly seq: number };

/** When a delta frame was published, as it says itself: ms since the Unix epoch. */
export type SeenDelta = { readonly generation: string; readonly at: number };

type AckFrame = SentAck & { readonly session: string };

const ACK = '{"type":"ack"';
const DELTA = '{"type":"delta"';

/** The faults one can inject into this tab's connection, and the acks that go out over it. */
export class LinkTap {
  /** for `connect`: sockets made by it obey this tap */
  readonly WebSocket: WebSocketConstructor;
  /** the same for connections without a WebSocket, as far as cutting them goes */
  readonly fetch: Fetch;
  readonly #sockets = new Set<TappedSocket>();
  #requests = new AbortController();
  /** the newest ack of each generation that was kept back: acks are cumulative, so one is enough */
  readonly #held = new Map<string, string>();
  readonly #stateListeners = new Set<() => void>();
  readonly #ackListeners = new Set<(ack: SentAck) => void>();
  readonly #deltaListeners = new Set<(delta: SeenDelta) => void>();
  #state: TapState = { isUp: true, acksHeld: false, frameIntervalMs: 0 };
  #upTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    const faults = this.#faults();
    this.fetch = (url, init) => this.#fetch(url, init);
    this.WebSocket = class extends TappedSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, faults);
      }
    };
  }

  get state(): TapState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#stateListeners.add(listener);
    return () => void this.#stateListeners.delete(listener);
  };

  readonly snapshot = (): TapState => this.#state;

  onAck(listener: (ack: SentAck) => void): () => void {
    this.#ackListeners.add(listener);
    return () => void this.#ackListeners.delete(listener);
  }

  /** Frames as they come from the network, before they are held up here. */
  onDelta(listener: (delta: SeenDelta) => void): () => void {
    this.#deltaListeners.add(listener);
    return () => void this.#deltaListeners.delete(listener);
  }

  /** Cuts the connection; for `downMs` no new one succeeds. 0: the SDK may reconnect at once. */
  cut(downMs = 0): void {
    clearTimeout(this.#upTimer);
    if (downMs > 0) {
      this.#change({ isUp: false });
      this.#upTimer = setTimeout(() => {
        this.#change({ isUp: true });
        // As a browser does when its network is back: whoever waits need not sit out a long delay.
        dispatchEvent(new Event('online'));
      }, downMs);
    }
    for (const socket of [...this.#sockets]) socket.cut();
    this.#requests.abort();
    this.#requests = new AbortController();
  }

  /** Received tokens are no longer acknowledged, as if this reader had stopped reading. */
  holdAcks(): void {
    this.#change({ acksHeld: true });
  }

  releaseAcks(): void {
    this.#change({ acksHeld: false });
    const held = [...this.#held.values()];
    this.#held.clear();
    for (const text of held) for (const socket of this.#sockets) socket.send(text);
  }

  /** @param frameIntervalMs 0: full speed */
  pace(frameIntervalMs: number): void {
    this.#change({ frameIntervalMs });
    for (const socket of this.#sockets) socket.repace();
  }

  close(): void {
    clearTimeout(this.#upTimer);
  }

  #fetch(url: string, init: RequestInit): Promise<Response> {
    if (!this.#state.isUp) return Promise.reject(new TypeError('the network is down'));
    const signals = [this.#requests.signal, ...(init.signal ? [init.signal] : [])];
    return fetch(url, { ...init, signal: AbortSignal.any(signals) });
  }

  #change(change: Partial<TapState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#stateListeners) listener();
  }

  #outgoing(text: string): string | undefined {
    if (!text.startsWith(ACK)) return text;
    const { session, generation, epoch, seq } = JSON.parse(text) as AckFrame;
    if (this.#state.acksHeld) {
      this.#held.set(`${session}.${generation}`, text);
      return undefined;
    }
    for (const listener of this.#ackListeners) listener({ generation, epoch, seq });
    return text;
  }

  #incoming(data: unknown): void {
    if (this.#deltaListeners.size === 0 || typeof data !== 'string' || !data.startsWith(DELTA)) return;
    const { generation, at } = JSON.parse(data) as SeenDelta;
    for (const listener of this.#deltaListeners) listener({ generation, at });
  }

  #faults(): Faults {
    const state = (): TapState => this.#state;
    return {
      get isUp() {
        return state().isUp;
      },
      get frameIntervalMs() {
        return state().frameIntervalMs;
      },
      outgoing: (text) => this.#outgoing(text),
      incoming: (data) => this.#incoming(data),
      opened: (socket) => void this.#sockets.add(socket),
      closed: (socket) => {
        this.#sockets.delete(socket);
        // A new attachment starts with its own acks; old ones would speak of frames it never sent.
        this.#held.clear();
      },
    };
  }
}
