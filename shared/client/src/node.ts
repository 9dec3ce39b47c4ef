/** The entry for Node, which before version 22 has no WebSocket of its own. The one file that imports `ws`. */
import WebSocket from 'ws';
import type { Client } from './client.ts';
import { systemClock } from './clock.ts';
import { connectOn } from './connect.ts';
import type { ConnectOptions } from './connect.ts';

export type { AckPolicy } from './generation/acker.ts';
export type { SubscribeOptions } from './session/subscribe-state.ts';
export { Client } from './client.ts';
export type { ClientEvents, Ready } from './client.ts';
export type { ConnectOptions } from './connect.ts';
export type { TokenSource } from './connection/credential.ts';
export { ClosedError, DetachedError, GenerationFailedError, ProtocolError, RequestError } from './errors.ts';
export { Generation } from './generation/generation.ts';
export { newId } from './new-id.ts';
export type { GenerationEvents } from './generation/generation.ts';
export type { Backoff } from './connection/reconnect.ts';
export { Session } from './session/session.ts';
export type { MessageOptions, PromptOptions } from './session/session.ts';
export type { Presence, SessionEvents } from './session/session-events.ts';
export type { Status } from './connection/status.ts';
export type { GenerationStatus } from './generation/track.ts';
export type { TransportKind } from './link/transport.ts';
export type { Delta, GenerationEnd } from './generation/transcript.ts';
export type { Fetch } from './link/http-calls.ts';
export type { WebSocketConstructor, WebSocketLike } from './link/websocket.ts';
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
