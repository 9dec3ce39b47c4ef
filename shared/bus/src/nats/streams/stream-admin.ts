import { JetStreamApiError } from '@nats-io/jetstream';
import { BusRefusedError, StreamMismatchError } from '../../bus.ts';
import { isForbidden } from '../answer.ts';
import { connectNats, retryAtStart } from '../connection/connection.ts';
import type { NatsOptions } from '../connection/connection.ts';
import { openManager } from '../connection/manager.ts';
import { NO_RESPONDERS } from '../no-responders.ts';
import { carryOut, planStreams } from './stream-plan.ts';
import type { StreamPlan } from './stream-plan.ts';

/** Looks at the streams, and makes them as they are declared. Waits through elections, for 10 s each time. */
export type StreamAdmin = {
  /** One a stream, in the order of their declarations. Changes nothing. @throws BusUnavailableError, BusRefusedError */
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
  const patiently = <Result>(what: string, run: () => Promise<Result>): Promise<Result> =>
    retryAtStart(() => run().catch(refusalOr(what)), isRefusal, what);
  try {
    const jsm = await openManager(nc, () => Promise.resolve());
    return {
      plans: () => patiently('look at the streams', () => planStreams(jsm, options)),
      apply: (plan) =>
        patiently(`${plan.type === 'missing' ? 'make' : 'change'} ${plan.stream}`, () =>
          carryOut(jsm, options, plan),
        ),
      close: () => nc.close(),
    };
  } catch (error) {
    await nc.close();
    throw error;
  }
};

/** What the server will never do, in words of ours; the rest as it is. */
const refusalOr =
  (what: string) =>
  (cause: Error): never => {
    if (isForbidden(cause)) {
      const text = `expected a NATS user who may ${what}, got ${cause.message}`;
      throw new BusRefusedError('forbidden', text, { cause });
    }
    if (cause instanceof JetStreamApiError && cause.status !== NO_RESPONDERS)
      throw new StreamMismatchError(`expected the server to ${what}, got ${cause.message}`, { cause });
    throw cause;
  };

const isRefusal = (error: unknown): boolean =>
  error instanceof BusRefusedError || error instanceof StreamMismatchError;
