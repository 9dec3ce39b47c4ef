import { traceIdOf } from './tracing.ts';

/** A generation, as all packages name one. */
type Named = { readonly org: string; readonly session: string; readonly generation: string };

/**
 * What a log line about a generation says of it: the ids by which all its lines are found, over all services, and
 * with `trace` its spans. @param traceparent of its prompt, where it is known
 */
export const generationIds = ({ org, session, generation }: Named, traceparent?: string) => {
  const trace = traceIdOf(traceparent);
  return { org, session, generation, ...(trace === undefined ? {} : { trace }) };
};
