import { createHash } from 'node:crypto';
import type { Bus } from '@sluice/bus';
import { hasFailedInPassing } from '@sluice/core';
import { parseGenerationId } from '@sluice/protocol';
import type { GenerationKey } from '@sluice/protocol';

/** So often a request is run again under its name; after that its last failure stands. */
const MOST_TRIES = 32;
/** Of the hash that tells tries apart. Ids that end in a hash of this length keep their form. */
const HASH_CHARS = 16;
const MAX_ID_CHARS = 64;

/**
 * The generation that a repeatable request starts or finds. A generation ends once and for all; where it failed in passing
 * before its first token, the next try is a generation of its own, which everybody who repeats the request comes to as well.
 * @throws BusUnavailableError
 */
export const currentTry = async (
  key: GenerationKey,
  { sessions }: Pick<Bus, 'sessions'>,
): Promise<GenerationKey> => {
  for (let tries = 0; ; tries += 1) {
    const each = { ...key, generation: parseGenerationId(tryIdOf(key.generation, tries)) };
    if (tries + 1 === MOST_TRIES) return each;
    const item = (await sessions.item(each, each.generation))?.item;
    if (item?.kind !== 'generation' || !hasFailedInPassing(item)) return each;
  }
};

const tryIdOf = (id: string, tries: number): string => {
  if (tries === 0) return id;
  const hash = createHash('sha256').update(`${id} ${tries}`).digest('hex').slice(0, HASH_CHARS);
  const stem = id.replace(/[0-9a-f]{16}$/, '');
  return stem === id ? `${id.slice(0, MAX_ID_CHARS - HASH_CHARS - 1)}-${hash}` : `${stem}${hash}`;
};
