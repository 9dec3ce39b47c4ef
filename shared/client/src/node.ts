/** The entry for Node, which before version 22 has no WebSocket of its own. The one file that imports `ws`. */
import WebSocket from 'ws';
import type { Client } from './client.ts';
import { systemClock } from './clock.ts';
import { connectOn } from './connect.ts';
import type { ConnectOptions } from './connect.ts';

export type { AckPolicy } from './acker.ts';
export type { Watch } from './attachment.ts';
export { Client } from './client.ts';
export type { ClientEvents, Ready } from './client.ts';
export type { ConnectOptions } from './connect.ts';
export type { TokenSource } from './credential.ts';
export { ClosedError, DetachedError, GenerationFailedError, ProtocolError, RequestError } from './errors.ts';
export { Generation } from './generation.ts';
export { newId } from './new-id.ts';
export type { GenerationEvents } from './generation.ts';
export type { Backoff } from './reconnect.ts';
export { Session } from './session.ts';
export type { MessageOptions, PromptOptions } from './session.ts';
export type { Presence, SessionEvents } from './session-events.ts';
export type { Status } from './status.ts';
export type { GenerationStatus } from './track.ts';
export type { TransportKind } from './transport.ts';
export type { Delta, GenerationEnd } from './transcript.ts';
export type { Fetch } from './transports/http-calls.ts';
export type { WebSocketConstructor, WebSocketLike } from './transports/websocket.ts';
export { SluiceError } from '@sluice/protocol';
export type { Item, Position, ToolCall } from '@sluice/protocol';

/** Compression would cost more than small frames save; a peer that is gone may not hold up the process. */
const OPTIONS = { perMessageDeflate: false, handshakeTimeout: 10_000, closeTimeout: 2_000 };

class NodeWebSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols, OPTIONS);
  }
}

/**
 * Connects to an edge with `ws`. Returns at once: what is asked for before the connection is live waits for
 * it. The open connection keeps the process alive until `client.close()`.
 * @throws TypeError for a url that is none, or a window out of range
 */
export const connect = (options: ConnectOptions): Client =>
  connectOn({ clock: systemClock, page: {}, WebSocket: NodeWebSocket }, options);
