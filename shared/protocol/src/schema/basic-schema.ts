/** Zod schemas that all the others are made of. */
import { z } from 'zod';
import { ID_PATTERN } from '../ids.ts';
import type { GenerationId, Org, SessionId } from '../ids.ts';
import { MAX_BODY_BYTES, MAX_NESTING } from '../limits.ts';
import { isReadableName } from '../names.ts';
import { isShallow } from '../nesting.ts';

export const idSchema = z.string().regex(ID_PATTERN, 'expected 1-64 characters of A-Z a-z 0-9 _ -');
/** A name that people read: of a model, for instance. */
export const nameSchema = (maxChars: number) =>
  z
    .string()
    .min(1)
    .max(maxChars)
    .refine(isReadableName, 'expected no invisible characters, nor blanks at its ends');
export const count = z.int().min(0);
export const isShallowMessage = { error: `expected at most ${MAX_NESTING} levels of nesting` };
/** A value whose inside is its sender's own. */
export const freeformSchema = z.unknown().refine(isShallow, isShallowMessage);

/** Where a body is. Bounded, since whoever reads it makes room for it. */
export const bodyRefSchema = z.object({
  chunks: z.int().min(1).max(4_096),
  bytes: z.int().min(1).max(MAX_BODY_BYTES),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in hex'),
});

/** The ids of a subject, each safe in one from then on. */
export const sessionPlace = {
  org: idSchema.transform((org) => org as Org),
  session: idSchema.transform((session) => session as SessionId),
};
export const generationPlace = {
  ...sessionPlace,
  generation: idSchema.transform((generation) => generation as GenerationId),
};
