import type { Msg, NatsConnection, Subscription as NatsSubscription } from 'nats';
import type { Border } from '../border.ts';
import type { Subscription } from '../token-log.ts';
import { REQUEST_TIMEOUT_MS } from './connection/connection.ts';
import { busError } from './answer.ts';
import { within } from './within.ts';

/** What takes in messages. */
export type Inlet = {
  readonly border: Border;
  /** called with what a listener throws, and when the server refuses or ends a subscription */
  readonly onError: (error: Error) => void;
};

/** A subscription that the server has. */
export class ConfirmedSubscription implements Subscription {
  readonly #subscription: NatsSubscription;

  constructor(subscription: NatsSubscription) {
    this.#subscription = subscription;
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  /** Closes once everything that is on its way here has arrived. Idempotent. */
  drain(): void {
    // Without a connection nothing is on its way.
    this.#subscription.drain().catch(() => this.close());
  }
}

/**
 * Subscribes, and resolves once the server has the subscription.
 * @param onError called with what `onMessage` throws, and when the server refuses or ends the
 *   subscription. An error must not leave the callback: the library's reader would end with it.
 * @throws BusUnavailableError
 */
export const subscribeNow = async (
  nc: NatsConnection,
  subject: string,
  onMessage: (message: Msg) => void,
  onError: (error: Error) => void,
): Promise<ConfirmedSubscription> => {
  let subscription: NatsSubscription | undefined;
  try {
    subscription = nc.subscribe(subject, { callback: guarded(onMessage, onError) });
    await flush(nc);
    if (subscription.isClosed()) throw new Error('a refusal');
  } catch (cause) {
    subscription?.unsubscribe();
    throw busError(`subscription to ${subject.slice(0, subject.indexOf('.'))}`, cause);
  }
  return new ConfirmedSubscription(subscription);
};

/** A subscription's callback that never throws. */
export const guarded =
  (onMessage: (message: Msg) => void, onError: (error: Error) => void) =>
  (refusal: Error | null | undefined, message: Msg): void => {
    if (refusal) return onError(refusal);
    try {
      onMessage(message);
    } catch (error) {
      onError(error as Error);
    }
  };

/** Resolves when the server has everything sent so far; during an outage the library may wait for long. */
export const flush = async (nc: NatsConnection): Promise<void> =>
  within(REQUEST_TIMEOUT_MS, nc.flush(), `no answer in ${REQUEST_TIMEOUT_MS} ms`);
