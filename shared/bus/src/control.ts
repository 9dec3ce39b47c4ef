import type { CancelReply, ControlAck, GenerationKey, PresenceMessage, SessionKey } from '@sluice/protocol';
import type { Subscription } from './token-log.ts';

export type ControlListener = {
  ack(ack: ControlAck): void;
  /** The reply is sent when it resolves, so it must not wait for the engine. */
  cancel(user: string): CancelReply;
};

/** The way back: from edges to the worker that runs a generation. Nothing here is stored. */
export type Control = {
  /** Fire and forget: acks are absolute and repeated. */
  ack(key: GenerationKey, ack: ControlAck): void;
  /** Asks the worker to stop; undefined when no worker runs this generation. */
  cancel(key: GenerationKey, user: string): Promise<CancelReply | undefined>;
  /** Resolves once requests reach the listener. */
  serve(key: GenerationKey, listener: ControlListener): Promise<Subscription>;
};

/**
 * Who watches a session and what they signal to each other, between edges. Nothing here is stored. Whoever tails
 * the session hears it, its publisher too.
 */
export type Presence = {
  publish(key: SessionKey, message: PresenceMessage): void;
};
