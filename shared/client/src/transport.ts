import type { ClientFrame, ServerFrame } from '@sluice/protocol';
import type { ProtocolError } from './errors.ts';

/** What a transport tells its owner. Nothing is called after `closed`. */
export interface TransportListener {
  frame(frame: ServerFrame): void;
  /** The peer sent something that cannot be a frame of the protocol. */
  broken(error: ProtocolError): void;
  /** Called once, whoever closed. 1006 when there was no close code. */
  closed(code: number, reason: string): void;
}

/**
 * Carries frames of the protocol both ways, in order, for one attempt to connect. Whatever it runs over, the
 * first frame it delivers is `ready`.
 */
export interface Transport {
  open(listener: TransportListener): void;
  /** Silently drops the frame when the link is not open: what matters is sent again after a reconnect. */
  send(frame: ClientFrame): void;
  close(code: number, reason: string): void;
}

export type OpenTransport = (target: { readonly url: string; readonly token: string }) => Transport;
