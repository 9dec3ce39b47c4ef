import { JetStreamApiError } from '@nats-io/jetstream';
import { StreamMismatchError } from '../bus.ts';
import { busError } from './answer.ts';
import { connectNats } from './connection.ts';
import type { NatsOptions } from './connection.ts';
import { openManager } from './manager.ts';
import { carryOut, planStreams } from './stream-plan.ts';
import type { StreamPlan } from './stream-plan.ts';

/** Looks at the streams, and makes them as they are declared. */
export type StreamAdmin = {
  /** One a stream, in the order of their declarations. Changes nothing. @throws BusUnavailableError */
  plans(): Promise<readonly StreamPlan[]>;
  /**
   * Creates or changes the stream; nothing where it is as declared, or cannot be.
   * @throws BusUnavailableError, BusRefusedError for a user who may not; StreamMismatchError for what the server will not do
   */
  apply(plan: StreamPlan): Promise<void>;
  close(): Promise<void>;
};

/** @throws BusUnavailableError, RefusedLoginError, UnsupportedServerError */
export const openStreamAdmin = async (options: NatsOptions): Promise<StreamAdmin> => {
  const nc = await connectNats(options);
  try {
    const jsm = await openManager(nc, () => Promise.resolve());
    return {
      plans: () =>
        planStreams(jsm, options).catch((error: unknown) => {
          throw busError('look at the streams', error);
        }),
      apply: (plan) =>
        carryOut(jsm, options, plan).catch((cause: unknown) => {
          const what = `${plan.type === 'missing' ? 'make' : 'change'} ${plan.stream}`;
          if (!(cause instanceof JetStreamApiError)) throw busError(what, cause);
          throw new StreamMismatchError(`expected the server to ${what}, got ${cause.message}`, { cause });
        }),
      close: () => nc.close(),
    };
  } catch (error) {
    await nc.close();
    throw error;
  }
};
