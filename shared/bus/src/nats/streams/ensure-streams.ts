import type { JetStreamManager } from '@nats-io/jetstream';
import { StreamMismatchError } from '../../bus.ts';
import { isForbidden } from '../answer.ts';
import type { NatsOptions } from '../connection/connection.ts';
import { configOf, planOf } from './stream-plan.ts';
import type { StreamPlan } from './stream-plan.ts';
import { wantedStreams } from './streams.ts';

/**
 * Creates the streams, or checks those that exist: every service may start first. A service changes none: of two that
 * are set differently, each would undo what the other did.
 * @throws StreamMismatchError naming each setting that differs
 */
export const ensureStreams = async (jsm: JetStreamManager, options: NatsOptions): Promise<void> => {
  for (const wanted of wantedStreams(options)) {
    try {
      // A copy: the library writes into what it is given.
      await jsm.streams.add({ ...wanted });
    } catch (error) {
      // Whether it is the settings or the server that is not ready, the stream's own answer tells.
      const found = await configOf(jsm, wanted.name).catch(() => {
        throw error;
      });
      if (found === undefined && isForbidden(error))
        throw new Error(`no stream ${wanted.name}, and no permission to make it (\`sluice streams apply\`)`, {
          cause: error,
        });
      if (found === undefined) throw error;
      const plan = planOf(wanted, found);
      if (plan.type === 'as_declared') continue;
      throw new StreamMismatchError(mismatchOf(plan), { cause: error });
    }
  }
};

const mismatchOf = (plan: StreamPlan): string => {
  const differences = 'differences' in plan ? plan.differences.join('; ') : '';
  const remedy =
    plan.type === 'unchangeable'
      ? plan.remedy
      : 'Make the settings of this service match, or change the stream with `sluice streams apply`.';
  return `stream ${plan.stream} exists with other settings: ${differences}. ${remedy}`;
};
