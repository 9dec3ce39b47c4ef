import { JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';
import { StreamMismatchError, UnsupportedServerError } from '../../bus.ts';
import { REQUEST_TIMEOUT_MS, retryAtStart } from './connection.ts';
import { isUnserved } from '../no-responders.ts';

/**
 * Opens JetStream and does the first thing with it, waiting through elections.
 * @throws UnsupportedServerError where JetStream is off
 */
export const openManager = async (
  nc: NatsConnection,
  first: (jsm: JetStreamManager) => Promise<void>,
): Promise<JetStreamManager> => {
  const open = async (): Promise<JetStreamManager> => {
    const jsm = await jetstreamManager(nc, { timeout: REQUEST_TIMEOUT_MS }).catch((cause: Error) => {
      if (!isSwitchedOff(nc, cause)) throw cause;
      throw new UnsupportedServerError('expected a nats-server with JetStream, got one where it is off', {
        cause,
      });
    });
    await first(jsm);
    return jsm;
  };
  return retryAtStart(open, isFinal, 'JetStream');
};

/** During an election nobody answers either; the greeting, or an answer for the account, tells apart. */
const isSwitchedOff = (nc: NatsConnection, error: Error): boolean =>
  isUnserved(error) && (nc.info?.jetstream !== true || error.cause instanceof JetStreamApiError);

/** Whether waiting does not help. */
export const isFinal = (error: unknown): boolean =>
  error instanceof UnsupportedServerError || error instanceof StreamMismatchError;
