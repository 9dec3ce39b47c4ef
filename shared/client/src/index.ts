/** The SDK. What differs between a browser and Node is in `#platform`, which package.json resolves. */
import { platform } from '#platform';
import type { Client } from './client.ts';
import { connectOn } from './connect.ts';
import type { ConnectOptions } from './connect.ts';

export type { AckPolicy } from './generation/ack-schedule.ts';
export type { SubscribeOptions } from './session/subscribe-state.ts';
export type { Client } from './client.ts';
export type { ClientEvents, Ready } from './client.ts';
export type { ConnectOptions } from './connect.ts';
export type { TokenSource } from './connection/credential.ts';
export {
  ClientError,
  ClosedError,
  DetachedError,
  GenerationFailedError,
  ProtocolError,
  RequestError,
} from './errors.ts';
export type { ClientErrorCode } from './errors.ts';
export type { Generation } from './generation/generation.ts';
export { newId } from './new-id.ts';
export type { GenerationEvents } from './generation/generation.ts';
export type { Backoff } from './connection/reconnect-state.ts';
export type { Session } from './session/session.ts';
export type { MessageOptions, PromptOptions } from './session/session.ts';
export type { PresenceEvent, SessionEvents } from './session/session-events.ts';
export type { Status } from './connection/status.ts';
export type { GenerationStatus } from './generation/track.ts';
export type { TransportKind } from './link/transport.ts';
export type { Delta, GenerationEnd } from './generation/assembled-text.ts';
export type { Fetch } from './link/http-calls.ts';
export type { WebSocketConstructor, WebSocketLike } from './link/websocket.ts';
export type { ErrorCode, Item, Position, ToolCall } from '@sluice/protocol';

/**
 * Connects to an edge. Returns at once: what is asked for before the connection is live waits for it. In Node
 * the open connection keeps the process alive until `client.close()`.
 * @throws TypeError for a url that is none, a window out of range, or a platform without WebSocket
 */
export const connect = (options: ConnectOptions): Client => connectOn(platform(), options);
