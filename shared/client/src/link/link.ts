import { DEFAULT_LIMITS, HEARTBEAT_MS } from '@sluice/protocol';
import type { ClientFrame, ReadyFrame, ServerFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import { Heartbeat } from './heartbeat.ts';
import { Outbox } from './outbox.ts';
import type { Transport, TransportKind, TransportListener } from './transport.ts';

/** How long a closing handshake is waited for, ms. */
const CLOSE_TIMEOUT_MS = 2_000;

export type LinkListener = TransportListener & {
  /** The peer is silent although it was asked; the link is to be closed and replaced. */
  dead(): void;
};

type LinkOptions = {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly listener: LinkListener;
};

/**
 * One transport's life, from opening to closing, with what lives exactly as long: its heartbeat and its outbox.
 * After `close` the listener hears nothing more.
 */
export class Link {
  readonly #transport: Transport;
  readonly #clock: Clock;
  #listener: LinkListener | undefined;
  #heartbeat: Heartbeat | undefined;
  #outbox: Outbox | undefined;
  #gone: () => void = () => undefined;
  /** resolves when the transport has closed, or would not */
  readonly closed: Promise<void>;

  constructor({ transport, clock, listener }: LinkOptions) {
    this.#transport = transport;
    this.#clock = clock;
    this.#listener = listener;
    this.closed = new Promise((resolve) => (this.#gone = resolve));
    transport.open({
      frame: (frame) => this.#receive(frame),
      broken: (error) => this.#listener?.broken(error),
      closed: (code, reason) => this.#closed(code, reason),
    });
  }

  get kind(): TransportKind {
    return this.#transport.kind;
  }

  /** Somebody else goes on with this link. */
  handOver(listener: LinkListener): void {
    if (this.#listener !== undefined) this.#listener = listener;
  }

  /** Sends within the server's frame limit; before `ready` nothing but the credential may be sent. */
  send(frame: ClientFrame): void {
    this.#outbox?.push(frame);
  }

  probe(deadlineMs: number): void {
    this.#heartbeat?.probe(deadlineMs);
  }

  close(code: number, reason: string): void {
    if (this.#listener === undefined) return;
    this.#release();
    const cancel = this.#clock.after(CLOSE_TIMEOUT_MS, () => this.#gone());
    void this.closed.then(cancel);
    this.#transport.close(code, reason);
  }

  #receive(frame: ServerFrame): void {
    if (this.#listener === undefined) return;
    if (frame.type === 'ready' && this.#outbox === undefined) this.#start(frame);
    this.#heartbeat?.heard();
    this.#listener.frame(frame);
  }

  #start({ heartbeatMs, limits }: ReadyFrame): void {
    this.#outbox = new Outbox({
      clock: this.#clock,
      maxFramesPerSecond: limits.maxFramesPerSecond ?? DEFAULT_LIMITS.maxFramesPerSecond,
      send: (frame) => this.#transport.send(frame),
    });
    this.#heartbeat = new Heartbeat({
      clock: this.#clock,
      intervalMs: heartbeatMs > 0 ? heartbeatMs : HEARTBEAT_MS,
      ping: () => this.#transport.send({ type: 'ping' }),
      dead: () => this.#listener?.dead(),
    });
  }

  #closed(code: number, reason: string): void {
    const listener = this.#listener;
    this.#release();
    this.#gone();
    listener?.closed(code, reason);
  }

  #release(): void {
    this.#listener = undefined;
    this.#heartbeat?.stop();
    this.#outbox?.stop();
  }
}
