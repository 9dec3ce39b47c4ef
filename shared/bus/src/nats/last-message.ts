import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { BusUnavailableError } from '../bus.ts';

/** JetStream's code for "no message found". */
const NO_MESSAGE = 10037;
const WRONG_LAST_SEQUENCE = 10071;

/** Wraps whatever the library throws, so that callers know one error for "NATS did not answer". */
export const unavailable = (what: string, cause: unknown): BusUnavailableError =>
  cause instanceof BusUnavailableError
    ? cause
    : new BusUnavailableError(`${what}: expected an answer from NATS, got ${(cause as Error).message}`, {
        cause,
      });

export const isWrongSequence = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.code === WRONG_LAST_SEQUENCE;

/**
 * The newest message of a subject. With several replicas a direct get may answer from one that lags,
 * so what a decision rests on is read through the leader; a single server is its own leader and the
 * direct get costs it less.
 */
export const readLast = async (
  jsm: JetStreamManager,
  stream: string,
  subject: string,
  replicas: number,
): Promise<StoredMsg | undefined> => {
  try {
    const query = { last_by_subj: subject };
    const message =
      replicas === 1
        ? await jsm.direct.getMessage(stream, query)
        : await jsm.streams.getMessage(stream, query);
    return message ?? undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw unavailable(`read of ${stream}`, error);
  }
};

/** The message with this stream sequence, from any replica: what is stored never changes. */
export const readAt = async (
  jsm: JetStreamManager,
  stream: string,
  sequence: number,
): Promise<StoredMsg | undefined> => {
  try {
    return (await jsm.direct.getMessage(stream, { seq: sequence })) ?? undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw unavailable(`read of ${stream}`, error);
  }
};

const isNotFound = (error: unknown): boolean =>
  (error instanceof JetStreamApiError && error.code === NO_MESSAGE) ||
  (error instanceof JetStreamError && /message not found/i.test(error.message));
