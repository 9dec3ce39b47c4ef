import type { Client } from './client.ts';
import { systemClock } from './clock.ts';
import { connectOn } from './connect.ts';
import type { ConnectOptions } from './connect.ts';
import { currentPage } from './page-events.ts';
import type { WebSocketConstructor } from './transports/websocket.ts';

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

/**
 * Connects to an edge with the global WebSocket. Returns at once: what is asked for before the connection is
 * live waits for it.
 * @throws TypeError for a url that is none, a window out of range, or a platform without WebSocket
 */
export const connect = (options: ConnectOptions): Client => {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketConstructor };
  return connectOn({ clock: systemClock, page: currentPage(), WebSocket }, options);
};
