import type { ClientFrame, ServerFrame } from '@sluice/protocol';
import type { Clock } from '../clock.ts';
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
  readonly kind: TransportKind;
  open(listener: TransportListener): void;
  /** Another owner takes over: from now on this listener hears everything, and the one before nothing. */
  handOver(listener: TransportListener): void;
  /** Silently drops the frame when the transport is not open: what matters is sent again after a reconnect. */
  send(frame: ClientFrame): void;
  close(code: number, reason: string): void;
}

/** Where to connect, and as whom. */
export type Endpoint = { readonly url: string; readonly token: string };

/** The close code of a link that was lost without one. */
export const ABNORMAL = 1006;

/** How long a closing handshake is waited for, ms. */
const CLOSE_TIMEOUT_MS = 2_000;

/** Closes a transport that has not closed yet; its owner hears no more. Resolves when the peer has answered, or for 2 s did not. */
export const closeTransport = (
  transport: Transport,
  clock: Clock,
  code: number,
  reason: string,
): Promise<void> =>
  new Promise((resolve) => {
    const cancel = clock.after(CLOSE_TIMEOUT_MS, resolve);
    const closed = (): void => {
      cancel();
      resolve();
    };
    transport.handOver({ frame: () => undefined, broken: () => undefined, closed });
    transport.close(code, reason);
  });
