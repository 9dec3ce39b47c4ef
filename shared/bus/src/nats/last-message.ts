import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { BusUnavailableError } from '../bus.ts';

/** Wraps whatever the library throws, so that callers know one error for "NATS did not answer". */
export const unavailable = (what: string, cause: unknown): BusUnavailableError =>
  cause instanceof BusUnavailableError
    ? cause
    : new BusUnavailableError(`${what}: expected an answer from NATS, got ${(cause as Error).message}`, {
        cause,
      });

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
    const reader = replicas === 1 ? jsm.direct : jsm.streams;
    return (await reader.getMessage(stream, query)) ?? undefined;
  } catch (error) {
    throw unavailable(`read of ${stream}`, error);
  }
};

/**
 * The message with this stream sequence. What is stored never changes, so any replica may answer;
 * but one that lags does not have it yet, so only the leader's "not found" counts.
 */
export const readAt = async (
  jsm: JetStreamManager,
  stream: string,
  sequence: number,
  replicas: number,
): Promise<StoredMsg | undefined> => {
  try {
    const query = { seq: sequence };
    const found = await jsm.direct.getMessage(stream, query);
    if (found !== null || replicas === 1) return found ?? undefined;
    return (await jsm.streams.getMessage(stream, query)) ?? undefined;
  } catch (error) {
    throw unavailable(`read of ${stream}`, error);
  }
};
