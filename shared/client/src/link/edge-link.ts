import { CLOSE_CODES, HEARTBEAT_MS } from '@sluice/protocol';
import type { ReadyFrame, ServerFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
import { Heartbeat } from './heartbeat.ts';
import { closeTransport } from './transport.ts';
import type { Transport, TransportKind, TransportListener } from './transport.ts';

type EdgeLinkOptions = {
  readonly transport: Transport;
  /** what the transport began with */
  readonly ready: ReadyFrame;
  readonly clock: Clock;
  readonly listener: TransportListener;
};

/**
 * A transport from `ready` to its end, with its heartbeat: a peer that is silent although it was asked has
 * closed. After `close` the listener hears nothing more.
 */
export class EdgeLink {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #listener: TransportListener;
  readonly #heartbeat: Heartbeat;
  #isOver = false;

  constructor({ transport, ready: { heartbeatMs }, clock, listener }: EdgeLinkOptions) {
    this.#transport = transport;
    this.#clock = clock;
    this.#listener = listener;
    this.#heartbeat = new Heartbeat({
      clock,
      intervalMs: heartbeatMs > 0 ? heartbeatMs : HEARTBEAT_MS,
      ping: () => transport.send({ type: 'ping' }),
      dead: () => {
        const [code, reason] = [CLOSE_CODES.heartbeatMissed, 'no answer to a ping'];
        void this.close(code, reason);
        listener.closed(code, reason);
      },
    });
    transport.handOver({
      ...listener,
      frame: this.#receive,
      closed: (code, reason) => {
        this.#end();
        listener.closed(code, reason);
      },
    });
  }

  get kind(): TransportKind {
    return this.#transport.kind;
  }

  probe(deadlineMs: number): void {
    this.#heartbeat.probe(deadlineMs);
  }

  /** Resolves when the peer has closed as well, or did not answer for 2 s. */
  async close(code: number, reason: string): Promise<void> {
    if (this.#isOver) return;
    this.#end();
    await closeTransport(this.#transport, this.#clock, code, reason);
  }

  readonly #receive = (frame: ServerFrame): void => {
    this.#heartbeat.heard();
    this.#listener.frame(frame);
  };

  #end(): void {
    this.#isOver = true;
    this.#heartbeat.stop();
  }
}
