import type { ClientFrame, ServerFrame } from '@sluice/protocol';
import type { ProtocolError } from '../errors.ts';

/** `sse`: a streamed response, frames go up by POST. `poll`: the same with one response after the other. */
export type TransportKind = 'websocket' | 'sse' | 'poll';

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
  /** final once `ready` was delivered */
  readonly kind: TransportKind;
  open(listener: TransportListener): void;
  /** Silently drops the frame when the link is not open: what matters is sent again after a reconnect. */
  send(frame: ClientFrame): void;
  close(code: number, reason: string): void;
}

export type Target = { readonly url: string; readonly token: string };

export type OpenTransport = (target: Target) => Transport;

/** The close code of a link that was lost without one. */
export const ABNORMAL = 1006;
