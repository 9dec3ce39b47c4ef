import type { Bus } from '@sluice/bus';
import { FAULTS, isId, parseGenerationId, parseSessionId, SluiceError } from '@sluice/protocol';
import type { FaultOrder, SessionKey } from '@sluice/protocol';
import type { Logger } from '@sluice/runtime';

export type FaultDeps = {
  readonly bus: Bus;
  readonly logger: Logger;
  /** Ends this process as a crash would. */
  readonly crash: () => void;
};

/**
 * What an admin signals into a session of the system's own: in {@link FAULTS}, which only exists where faults are
 * switched on, an order to kill this edge or the worker that runs a generation of the admin's org.
 * @throws SluiceError forbidden, bad_frame, not_found, unavailable; BusUnavailableError
 */
export const injectFault = async (
  key: SessionKey,
  user: string,
  data: unknown,
  deps: FaultDeps,
): Promise<void> => {
  if (key.session !== FAULTS) throw new SluiceError('forbidden', 'nobody signals into this session');
  const order = parseOrder(data);
  const { bus, logger, crash } = deps;
  logger.warn('fault_injected', { org: key.org, kill: order.kill });
  if (order.kill === 'edge') return crash();
  const session = parseSessionId(order.session);
  const generation = parseGenerationId(order.generation);
  const answer = await bus.control.kill({ org: key.org, session, generation }, user);
  if (answer === undefined) throw new SluiceError('not_found', 'no worker runs this generation');
  if (answer.type === 'refused') throw new SluiceError('forbidden', 'faults are switched off at the worker');
};

const parseOrder = (data: unknown): FaultOrder => {
  const { kill, session, generation } = (data ?? {}) as Record<string, unknown>;
  if (kill === 'edge') return { kill };
  if (kill === 'worker' && isId(session) && isId(generation)) return { kill, session, generation };
  throw new SluiceError(
    'bad_frame',
    '`data`: expected {kill: "edge"} or {kill: "worker", session, generation}',
  );
};
