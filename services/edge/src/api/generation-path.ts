import { parseGenerationId } from '@sluice/protocol';
import type { GenerationKey } from '@sluice/protocol';
import { idSchema } from '@sluice/protocol/schema';
import { z } from 'zod';
import { openSession } from '../auth/grant.ts';
import type { Grant, Scope } from '../auth/grant.ts';

export const GENERATION_URL = '/v1/sessions/:session/generations/:generation';
export const generationParams = z.object({ session: idSchema, generation: idSchema });

/** The generation a path names, if the grant reaches its session. @throws SluiceError not_found, forbidden */
export const generationKeyOf = (
  grant: Grant,
  { session, generation }: z.infer<typeof generationParams>,
  scope?: Scope,
): GenerationKey => ({
  ...openSession(grant, session, scope),
  generation: parseGenerationId(generation),
});
