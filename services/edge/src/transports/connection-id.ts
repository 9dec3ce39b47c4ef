import { randomBytes } from 'node:crypto';
import { isId } from '@sluice/protocol';

/** 192 bits: nobody guesses it. */
const RANDOM_BYTES = 24;

/** Id of a connection over HTTP, `<edge>.<random>`: any edge can tell which one has it. */
export const newConnectionId = (edge: string): string =>
  `${edge}.${randomBytes(RANDOM_BYTES).toString('base64url')}`;

/** The edge that has it; undefined for what cannot be such an id. */
export const edgeOf = (id: string): string | undefined => {
  const [edge, random, ...rest] = id.split('.');
  return isId(edge) && isId(random) && rest.length === 0 ? edge : undefined;
};
