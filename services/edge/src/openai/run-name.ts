import { createHash, randomUUID } from 'node:crypto';
import type { Bus } from '@sluice/bus';
import { parseGenerationId } from '@sluice/protocol';
import type { GenerationKey } from '@sluice/protocol';
import { idSchema } from '@sluice/protocol/schema';
import { z } from 'zod';
import { openSession } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import { currentTry } from '../requests/current-try.ts';

export const SESSION_HEADER = 'x-sluice-session';
export const GENERATION_HEADER = 'x-sluice-generation';

/** How a request of OpenAI's APIs, which know no sessions, may name what it starts. */
export const nameHeaders = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe('Makes the request repeatable: the same key of the same user finds the same answer.'),
  [SESSION_HEADER]: idSchema.optional().describe('Session to run in; default one of its own.'),
  [GENERATION_HEADER]: idSchema.optional().describe('Id of the generation; counts before the key.'),
});

export type RunHeaders = z.infer<typeof nameHeaders>;

export type RunName = {
  readonly key: GenerationKey;
  /** the same request again finds the same generation, so a hang-up does not have to be meant */
  readonly isRepeatable: boolean;
};

const ID_CHARS = 32;

/**
 * The generation that a request starts or finds. The key is hashed with its user, so that nobody's keys meet
 * another's. @throws SluiceError not_found, forbidden
 */
export const nameRun = (grant: Grant, headers: RunHeaders, prefix: 'chatcmpl' | 'resp'): RunName => {
  const idempotencyKey = headers['idempotency-key'];
  const hex = idempotencyKey === undefined ? randomHex() : hexOf([grant.org, grant.user, idempotencyKey]);
  const generation = headers[GENERATION_HEADER] ?? `${prefix}_${hex}`;
  const session = headers[SESSION_HEADER] ?? generation;
  openSession(grant, session, 'prompt');
  return {
    key: { ...openSession(grant, session, 'read'), generation: parseGenerationId(generation) },
    isRepeatable: idempotencyKey !== undefined || headers[GENERATION_HEADER] !== undefined,
  };
};

/** The same, of the try that counts now. @throws BusUnavailableError */
export const currentRun = async (name: RunName, bus: Pick<Bus, 'sessions'>): Promise<RunName> =>
  name.isRepeatable ? { ...name, key: await currentTry(name.key, bus) } : name;

/** Where the answer can be found again, by any of Sluice's ways. */
export const namedBy = ({ session, generation }: GenerationKey): Readonly<Record<string, string>> => ({
  [SESSION_HEADER]: session,
  [GENERATION_HEADER]: generation,
});

const randomHex = (): string => randomUUID().replaceAll('-', '');

const hexOf = (parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, ID_CHARS);
