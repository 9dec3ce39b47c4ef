import { jetstream } from '@nats-io/jetstream';
import { Border } from '../../border.ts';
import type { Revocations } from '../../revocations.ts';
import { REQUEST_TIMEOUT_MS, connectNats, inboxPrefixOf } from '../connection/connection.ts';
import type { NatsOptions } from '../connection/connection.ts';
import { createNatsRevocations } from './nats-revocations.ts';

/**
 * Revocations alone: whoever throws somebody out need not know how large and lasting the streams are.
 * @throws BusUnavailableError, RefusedLoginError
 */
export const openNatsRevocations = async (
  options: NatsOptions,
): Promise<{ readonly revocations: Revocations; close(): Promise<void> }> => {
  const nc = await connectNats(options);
  const js = jetstream(nc, { timeout: REQUEST_TIMEOUT_MS });
  const { replicas = 1 } = options;
  const inlet = { border: new Border(), onError: () => undefined };
  const own = { ...inlet, inboxPrefix: inboxPrefixOf(options), replicas };
  return { revocations: createNatsRevocations(nc, js, own), close: () => nc.close() };
};
