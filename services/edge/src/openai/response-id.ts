import { isId, parseGenerationId, SluiceError } from '@sluice/protocol';
import type { GenerationKey } from '@sluice/protocol';
import { openSession } from '../auth/grant.ts';
import type { Grant, Scope } from '../auth/grant.ts';

/** Not a character of ids. */
const SEPARATOR = '.';

/** A response's id says where it is kept: in a session of its own by the same name, or in another. */
export const responseIdOf = ({ session, generation }: Omit<GenerationKey, 'org'>): string =>
  (session as string) === generation ? generation : `${session}${SEPARATOR}${generation}`;

/** @throws SluiceError not_found, forbidden */
export const responseKeyOf = (grant: Grant, id: string, scope?: Scope): GenerationKey => {
  const [session = '', generation = session, ...rest] = id.split(SEPARATOR);
  if (!isId(session) || !isId(generation) || rest.length > 0)
    throw new SluiceError('not_found', 'no such response');
  return { ...openSession(grant, session, scope), generation: parseGenerationId(generation) };
};
