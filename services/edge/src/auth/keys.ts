import { createPublicKey, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Algorithm } from 'jsonwebtoken';

/** A key and the one algorithm it is used with: never the token header's word. */
export type VerificationKey = { readonly key: KeyObject; readonly algorithm: Algorithm };

/** The key set could not be read, so nothing is known about the token. */
export class KeysUnavailableError extends Error {
  readonly code = 'unavailable';
}

/** No configured key fits the token. */
export class NoKeyError extends Error {}

/** Finds the key for a token. @throws NoKeyError, KeysUnavailableError */
export type KeySource = (header: {
  readonly kid?: string | undefined;
  readonly alg: string;
}) => Promise<VerificationKey>;

export type KeyConfig = {
  readonly jwtSecret?: string | undefined;
  readonly jwtPublicKey?: string | undefined;
  readonly jwksUrl?: string | undefined;
};

const KID_PATTERN = /^[A-Za-z0-9_=.-]{1,128}$/;

/**
 * The configured keys. With several sources the token's `alg` only chooses among them: each key stays
 * bound to its own algorithm, so an RSA public key is never tried as an HMAC secret.
 * @throws TypeError for a PEM that is neither RSA nor P-256
 */
export const createKeySource = ({ jwtSecret, jwtPublicKey, jwksUrl }: KeyConfig): KeySource => {
  const fixed: VerificationKey[] = [];
  // Given as text, the library would first try to read it as a PEM, and an error per token costs more than its check.
  if (jwtSecret !== undefined)
    fixed.push({ key: createSecretKey(Buffer.from(jwtSecret)), algorithm: 'HS256' });
  if (jwtPublicKey !== undefined) fixed.push(publicKeyOf(createPublicKey(jwtPublicKey)));
  const jwks = jwksUrl === undefined ? undefined : openJwks(jwksUrl);
  return async ({ kid, alg }) => {
    const match = fixed.find(({ algorithm }) => algorithm === alg);
    if (match !== undefined) return match;
    if (jwks === undefined) throw new NoKeyError('no key for this algorithm');
    if (kid === undefined || !KID_PATTERN.test(kid)) throw new NoKeyError('no usable kid');
    const pem = await findPem(await jwks, kid);
    return publicKeyOf(createPublicKey(pem));
  };
};

type KeySet = { getSigningKey(kid: string): Promise<{ getPublicKey(): string }> };

const findPem = async (jwks: KeySet, kid: string): Promise<string> => {
  try {
    return (await jwks.getSigningKey(kid)).getPublicKey();
  } catch (cause) {
    // The library's message would repeat the kid, which is anybody's text.
    if (cause instanceof Error && cause.name === 'SigningKeyNotFoundError')
      throw new NoKeyError('unknown kid');
    throw new KeysUnavailableError('the key set cannot be read', { cause });
  }
};

/** Loaded only when a key set is configured: the library brings a second JOSE implementation along. */
const openJwks = async (jwksUri: string): Promise<KeySet> => {
  const { JwksClient } = await import('jwks-rsa');
  return new JwksClient({
    jwksUri,
    cache: true,
    cacheMaxAge: 10 * 60_000,
    rateLimit: true,
    jwksRequestsPerMinute: 10,
    timeout: 5_000,
  });
};

const publicKeyOf = (key: KeyObject): VerificationKey => {
  if (key.asymmetricKeyType === 'rsa') return { key, algorithm: 'RS256' };
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1')
    return { key, algorithm: 'ES256' };
  throw new TypeError(`public key: expected RSA or P-256, got ${key.asymmetricKeyType ?? 'another kind'}`);
};
