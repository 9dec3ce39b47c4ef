import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Algorithm } from 'jsonwebtoken';

/** A key and the one algorithm it is used with: never the token header's word. */
export type VerificationKey = { readonly key: string | KeyObject; readonly algorithm: Algorithm };

/** Finds the key for a token. @throws Error when there is none for this `kid` */
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
  if (jwtSecret !== undefined) fixed.push({ key: jwtSecret, algorithm: 'HS256' });
  if (jwtPublicKey !== undefined) fixed.push(publicKeyOf(createPublicKey(jwtPublicKey)));
  const jwks = jwksUrl === undefined ? undefined : openJwks(jwksUrl);
  return async ({ kid, alg }) => {
    const match = fixed.find(({ algorithm }) => algorithm === alg);
    if (match !== undefined) return match;
    if (jwks === undefined) throw new Error('no key for this algorithm');
    if (kid === undefined || !KID_PATTERN.test(kid)) throw new Error('no usable kid');
    const signing = await (await jwks).getSigningKey(kid);
    return publicKeyOf(createPublicKey(signing.getPublicKey()));
  };
};

/** Loaded only when a key set is configured: the library brings a second JOSE implementation along. */
const openJwks = async (
  jwksUri: string,
): Promise<{ getSigningKey(kid: string): Promise<{ getPublicKey(): string }> }> => {
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
