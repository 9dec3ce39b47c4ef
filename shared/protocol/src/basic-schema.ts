/** Zod schemas that all the others are made of. */
import { z } from 'zod';
import { ID_PATTERN } from './ids.ts';
import type { GenerationId, Org, SessionId } from './ids.ts';
import { MAX_NESTING } from './limits.ts';
import { isShallow } from './nesting.ts';

export const idSchema = z.string().regex(ID_PATTERN, 'expected 1-64 characters of A-Z a-z 0-9 _ -');
export const count = z.int().min(0);
export const isShallowMessage = { error: `expected at most ${MAX_NESTING} levels of nesting` };
/** A value whose inside is its sender's own. */
export const freeformSchema = z.unknown().refine(isShallow, isShallowMessage);

/** The ids of a subject, each safe in one from then on. */
export const sessionPlace = {
  org: idSchema.transform((org) => org as Org),
  session: idSchema.transform((session) => session as SessionId),
};
export const generationPlace = {
  ...sessionPlace,
  generation: idSchema.transform((generation) => generation as GenerationId),
};
