import jwt from 'jsonwebtoken';
import { isId, parseOrg } from '@sluice/protocol';
import { DEFAULT_SCOPES } from './grant.ts';
import type { Grant } from './grant.ts';
import type { KeySource } from './keys.ts';

/** Clocks of issuer and edge may differ by this much, seconds. */
const LEEWAY_S = 30;
const MAX_TOKEN_BYTES = 8 * 1024;
const MAX_USER_CHARS = 256;
const MAX_PATTERNS = 1000;

/** A token was refused. The text is the same for every cause: it must not help to guess. */
export class CredentialError extends Error {
  readonly code = 'unauthorized';

  constructor(cause: unknown) {
    super('the token was not accepted', { cause });
  }
}

export type VerifierOptions = {
  readonly keys: KeySource;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
};

export type Verifier = (token: string) => Promise<Grant>;

/** Verifies signature, algorithm, times and claims of a JWT. @throws CredentialError */
export const createVerifier =
  ({ keys, issuer, audience }: VerifierOptions): Verifier =>
  async (token) => {
    try {
      if (Buffer.byteLength(token) > MAX_TOKEN_BYTES) throw new Error('longer than 8 KiB');
      const decoded = jwt.decode(token, { complete: true });
      if (decoded === null) throw new Error('not a JWT');
      const { alg, kid, crit } = decoded.header;
      if (crit !== undefined) throw new Error('critical header extensions');
      const { key, algorithm } = await keys({ alg, kid });
      const claims = jwt.verify(token, key, {
        algorithms: [algorithm],
        clockTolerance: LEEWAY_S,
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience === undefined ? {} : { audience }),
      });
      return grantOf(claims as unknown);
    } catch (cause) {
      throw new CredentialError(cause);
    }
  };

const grantOf = (claims: unknown): Grant => {
  if (typeof claims !== 'object' || claims === null) throw new Error('claims are not an object');
  const { sub, org, exp, iat, scope, sessions } = claims as Record<string, unknown>;
  if (!isUser(sub)) throw new Error('`sub` is not a user');
  if (typeof exp !== 'number' || !Number.isFinite(exp)) throw new Error('no `exp`');
  if (iat !== undefined && (typeof iat !== 'number' || iat > Date.now() / 1000 + LEEWAY_S))
    throw new Error('`iat` is in the future');
  if (scope !== undefined && typeof scope !== 'string') throw new Error('`scope` is not a string');
  const scopes = new Set(
    scope === undefined ? DEFAULT_SCOPES : scope.split(' ').filter((word) => word !== ''),
  );
  return { user: sub, org: parseOrg(org), scopes, sessions: patternsOf(sessions), expiresAt: exp * 1000 };
};

// Control characters could forge log lines and confuse displays.
const isUser = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= MAX_USER_CHARS && !/\p{Cc}/u.test(value);

const patternsOf = (value: unknown): readonly string[] | undefined => {
  if (value === undefined) return undefined;
  const isPattern = (entry: unknown): entry is string =>
    typeof entry === 'string' && (entry === '*' || isId(entry.endsWith('*') ? entry.slice(0, -1) : entry));
  if (!Array.isArray(value) || value.length > MAX_PATTERNS || !value.every(isPattern))
    throw new Error('`sessions` is not a list of ids or prefixes');
  return value;
};
