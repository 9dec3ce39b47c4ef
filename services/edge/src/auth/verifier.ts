import jwt from 'jsonwebtoken';
import { isId, isReadableName, ORG_STATS, parseOrg, SYSTEM_STATS } from '@sluice/protocol';
import { DEFAULT_SCOPES } from './grant.ts';
import type { Grant } from './grant.ts';
import { KeysUnavailableError, NoKeyError } from './keys.ts';
import type { KeySource } from './keys.ts';

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
  /** whose scope `admin` sees the whole system */
  readonly operatorOrg?: string | undefined;
  /** ms since the Unix epoch */
  readonly now: () => number;
};

export type Verifier = (token: string) => Promise<Grant>;

/** Verifies signature, algorithm, times and claims of a JWT. @throws CredentialError, KeysUnavailableError */
export const createVerifier =
  ({ keys, issuer, audience, now, operatorOrg }: VerifierOptions): Verifier =>
  async (token) => {
    try {
      if (Buffer.byteLength(token) > MAX_TOKEN_BYTES) throw new ClaimError('longer than 8 KiB');
      const decoded = jwt.decode(token, { complete: true });
      if (decoded === null) throw new ClaimError('not a JWT');
      const { alg, kid, crit } = decoded.header;
      if (crit !== undefined) throw new ClaimError('critical header extensions');
      const { key, algorithm } = await keys({ alg, kid });
      const clockTimestamp = Math.floor(now() / 1000);
      const claims = jwt.verify(token, key, {
        clockTimestamp,
        algorithms: [algorithm],
        clockTolerance: LEEWAY_S,
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience === undefined ? {} : { audience }),
      });
      return grantOf(claims as unknown, clockTimestamp, operatorOrg);
    } catch (cause) {
      if (cause instanceof KeysUnavailableError) throw cause;
      throw new CredentialError(cause);
    }
  };

const grantOf = (claims: unknown, nowS: number, operatorOrg: string | undefined): Grant => {
  if (typeof claims !== 'object' || claims === null) throw new ClaimError('claims are not an object');
  const { sub, org, exp, iat, scope, sessions } = claims as Record<string, unknown>;
  if (!isUser(sub)) throw new ClaimError('`sub` is not a user');
  if (typeof exp !== 'number' || !Number.isFinite(exp)) throw new ClaimError('no `exp`');
  if (iat !== undefined && (typeof iat !== 'number' || iat > nowS + LEEWAY_S))
    throw new ClaimError('`iat` is in the future');
  if (scope !== undefined && typeof scope !== 'string') throw new ClaimError('`scope` is not a string');
  const scopes = new Set(
    scope === undefined ? DEFAULT_SCOPES : scope.split(' ').filter((word) => word !== ''),
  );
  return {
    user: sub,
    org: parseOrg(org),
    scopes,
    sessions: patternsOf(sessions),
    reserved: scopes.has('admin') ? reservedFor(org, operatorOrg) : NONE,
    expiresAt: exp * 1000,
  };
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
