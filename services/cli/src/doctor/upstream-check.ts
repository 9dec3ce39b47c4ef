import { fail, messageOf, ok } from './finding.ts';
import type { Finding } from './finding.ts';

const TIMEOUT_MS = 10_000;

/** `fetch` itself says no more than that it failed. */
const causeOf = (error: unknown): string => {
  const cause = error instanceof Error ? error.cause : undefined;
  return messageOf(cause instanceof Error ? cause : error);
};

const idsIn = (body: unknown): readonly string[] | undefined => {
  const { data } = (body ?? {}) as { data?: unknown };
  if (!Array.isArray(data)) return undefined;
  return data.flatMap((model: { id?: unknown } | null) => (typeof model?.id === 'string' ? [model.id] : []));
};

/** Whether the OpenAI-compatible server behind workers answers and has models. Its key is SLUICE_UPSTREAM_KEY. */
export const checkUpstream = async (upstream: string): Promise<Finding> => {
  const check = 'upstream';
  const { SLUICE_UPSTREAM_KEY: key = '' } = process.env;
  try {
    const response = await fetch(`${upstream.replace(/\/$/, '')}/models`, {
      headers: key === '' ? {} : { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) {
      const advice =
        response.status === 401 ? 'set SLUICE_UPSTREAM_KEY' : 'give its base URL, up to and with /v1';
      return fail(check, `GET ${upstream}/models: HTTP ${response.status}`, advice);
    }
    const ids = idsIn(await response.json());
    if (ids === undefined) return fail(check, 'its /models is not in OpenAI’s shape', 'check the base URL');
    if (ids.length === 0) return fail(check, 'it offers no models', 'load one');
    return ok(check, `models: ${ids.join(', ')}`);
  } catch (error) {
    return fail(check, `${upstream}: ${causeOf(error)}`, 'start it, or correct --upstream');
  }
};
