import jwt from 'jsonwebtoken';
import type { VerifyOptions } from 'jsonwebtoken';
import { isId, isReadableName, ORG_STATS, parseOrg, SYSTEM_STATS } from '@sluice/protocol';
import { DEFAULT_SCOPES } from './grant.ts';
import type { Grant } from './grant.ts';
import { KeysUnavailableError, NoKeyError } from './key-errors.ts';
import type { RevocationWatch } from './revocation-watch.ts';
import type { KeySource } from './keys.ts';
import type { VerificationKey } from './verification-key.ts';

/** Clocks of issuer and edge may differ by this much, seconds. */
const LEEWAY_S = 30;
const MAX_TOKEN_BYTES = 8 * 1024;
const MAX_USER_CHARS = 256;
const MAX_PATTERNS = 1000;

/** A token was refused. The text is the same for every cause: it must not help to guess. */
export class CredentialError extends Error {
  readonly code = 'unauthorized';
  /** what was wrong, for the log: never a part of the token */
  readonly reason: string;

  constructor(cause: unknown) {
    super('the token was not accepted', { cause });
    this.reason = reasonOf(cause);
  }
}

/** A claim or header is not as it must be. */
class ClaimError extends Error {}

// Other errors, such as a JSON parser's, quote what they were given.
const reasonOf = (cause: unknown): string => {
  const isSafe = [ClaimError, NoKeyError, jwt.JsonWebTokenError].some((kind) => cause instanceof kind);
  return isSafe ? (cause as Error).message : 'not a well-formed JWT';
};

export type VerifierOptions = {
  readonly keys: KeySource;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** longest time from `iat` to `exp`, seconds; unset: not looked at */
  readonly maxAgeS?: number | undefined;
  readonly revoked: Pick<RevocationWatch, 'standing'>;
  /** whose scope `admin` sees the whole system */
  readonly operatorOrg?: string | undefined;
  /** ms since the Unix epoch */
  readonly now: () => number;
};

export type Verifier = (token: string) => Promise<Grant>;

/** Verifies signature, algorithm, times and claims of a JWT. @throws CredentialError, KeysUnavailableError */
export const createVerifier =
  ({ keys, issuer, audience, now, ...rules }: VerifierOptions): Verifier =>
  async (token) => {
    try {
      if (Buffer.byteLength(token) > MAX_TOKEN_BYTES) throw new ClaimError('longer than 8 KiB');
      const decoded = jwt.decode(token, { complete: true });
      if (decoded === null) throw new ClaimError('not a JWT');
      const { alg, kid, crit } = decoded.header;
      if (crit !== undefined) throw new ClaimError('critical header extensions');
      const candidates = await keys({ alg, kid: kidOf(kid) });
      const clockTimestamp = Math.floor(now() / 1000);
      const claims = verifyWithAny(token, candidates, {
        clockTimestamp,
        clockTolerance: LEEWAY_S,
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience === undefined ? {} : { audience }),
      });
      const grant = grantOf(claims, { ...rules, nowS: clockTimestamp });
      if (grant.standing.isRevoked()) throw new ClaimError('revoked');
      return grant;
    } catch (cause) {
      if (cause instanceof KeysUnavailableError) throw cause;
      throw new CredentialError(cause);
    }
  };

/** The library reads a header's text as Latin-1, whatever it is. */
const kidOf = (kid: unknown): string | undefined =>
  typeof kid === 'string' ? Buffer.from(kid, 'latin1').toString() : undefined;

/** Keys that overlap while one takes another's place: each is tried, and the last one's word counts. */
const verifyWithAny = (
  token: string,
  candidates: readonly VerificationKey[],
  options: Omit<VerifyOptions, 'complete' | 'algorithms'>,
): unknown => {
  for (const [index, { key, algorithm }] of candidates.entries()) {
    try {
      return jwt.verify(token, key, { ...options, algorithms: [algorithm] });
    } catch (error) {
      const isOfAnother = error instanceof jwt.JsonWebTokenError && error.message === 'invalid signature';
      if (!isOfAnother || index === candidates.length - 1) throw error;
    }
  }
  throw new NoKeyError('no key');
};

type GrantRules = Pick<VerifierOptions, 'maxAgeS' | 'operatorOrg' | 'revoked'> & { readonly nowS: number };

const grantOf = (claims: unknown, { nowS, maxAgeS, operatorOrg, revoked }: GrantRules): Grant => {
  if (typeof claims !== 'object' || claims === null) throw new ClaimError('claims are not an object');
  const { sub, org, exp, iat, jti, scope, sessions } = claims as Record<string, unknown>;
  if (!isUser(sub)) throw new ClaimError('`sub` is not a user');
  if (typeof exp !== 'number' || !Number.isFinite(exp)) throw new ClaimError('no `exp`');
  const issuedAt = issueOf(iat, exp, { nowS, maxAgeS });
  if (jti !== undefined && typeof jti !== 'string') throw new ClaimError('`jti` is not a string');
  if (scope !== undefined && typeof scope !== 'string') throw new ClaimError('`scope` is not a string');
  const scopes =
    scope === undefined ? DEFAULT_SCOPES : new Set(scope.split(' ').filter((word) => word !== ''));
  const bearer = { user: sub, org: parseOrg(org), tokenId: jti, issuedAt };
  return {
    user: sub,
    org: bearer.org,
    scopes,
    sessions: patternsOf(sessions),
    reserved: scopes.has('admin') ? reservedFor(org, operatorOrg) : NONE,
    expiresAt: exp * 1000,
    standing: revoked.standing(bearer),
  };
};

/** @returns ms since the Unix epoch */
const issueOf = (
  iat: unknown,
  exp: number,
  { nowS, maxAgeS }: Pick<GrantRules, 'nowS' | 'maxAgeS'>,
): number | undefined => {
  if (iat !== undefined && (typeof iat !== 'number' || iat > nowS + LEEWAY_S))
    throw new ClaimError('`iat` is in the future');
  if (maxAgeS !== undefined && iat === undefined) throw new ClaimError('no `iat`');
  if (maxAgeS !== undefined && iat !== undefined && exp - iat > maxAgeS)
    throw new ClaimError('`exp` is too long after `iat`');
  return iat === undefined ? undefined : iat * 1000;
};

const NONE: ReadonlySet<string> = new Set();

/** The system's own sessions that an org's admins reach. */
const reservedFor = (org: unknown, operatorOrg: string | undefined): ReadonlySet<string> =>
  new Set(org === operatorOrg ? [ORG_STATS, SYSTEM_STATS] : [ORG_STATS]);

const isUser = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_USER_CHARS && isReadableName(value);

const patternsOf = (value: unknown): readonly string[] | undefined => {
  if (value === undefined) return undefined;
  const isPattern = (entry: unknown): entry is string =>
    typeof entry === 'string' && (entry === '*' || isId(entry.endsWith('*') ? entry.slice(0, -1) : entry));
  if (!Array.isArray(value) || value.length > MAX_PATTERNS || !value.every(isPattern))
    throw new ClaimError('`sessions` is not a list of ids or prefixes');
  return value;
};
