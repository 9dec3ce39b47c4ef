import { CLOSE_CODES, HEARTBEAT_MS } from '@sluice/protocol';
import type { ReadyFrame } from '@sluice/protocol';
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

/** A transport from `ready` to its end. */
export interface EdgeLink {
  readonly kind: TransportKind;
  /** Asks the peer for a sign of life. */
  probe(deadlineMs: number): void;
  /** The listener hears nothing more. Resolves when the peer has closed as well, or did not answer for 2 s. */
  close(code: number, reason: string): Promise<void>;
}

/** Takes over a transport and adds a heartbeat: a peer that is silent although it was asked has closed. */
export const linkOver = ({ transport, ready, clock, listener }: EdgeLinkOptions): EdgeLink => {
  let isOver = false;
  const end = (): void => {
    isOver = true;
    heartbeat.stop();
  };
  const close = async (code: number, reason: string): Promise<void> => {
    if (isOver) return;
    end();
    await closeTransport(transport, clock, code, reason);
  };
  const heartbeat = new Heartbeat({
    clock,
    intervalMs: ready.heartbeatMs > 0 ? ready.heartbeatMs : HEARTBEAT_MS,
    ping: () => transport.send({ type: 'ping' }),
    dead: () => {
      const lost = [CLOSE_CODES.heartbeatMissed, 'no answer to a ping'] as const;
      void close(...lost);
      listener.closed(...lost);
    },
  });
  transport.handOver({
    ...listener,
    frame: (frame) => {
      heartbeat.heard();
      listener.frame(frame);
    },
    closed: (code, reason) => {
      end();
      listener.closed(code, reason);
    },
  });
  return { kind: transport.kind, probe: (deadlineMs) => heartbeat.probe(deadlineMs), close };
};
