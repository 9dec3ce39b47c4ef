import type { KeyObject } from 'node:crypto';
import type { Algorithm } from 'jsonwebtoken';

/** A key and the one algorithm it is used with: never the token header's word. */
export type VerificationKey = { readonly key: KeyObject; readonly algorithm: Algorithm };

/** @throws TypeError for a key that is neither RSA nor P-256 */
export const verificationKeyOf = (key: KeyObject): VerificationKey => {
  if (key.asymmetricKeyType === 'rsa') return { key, algorithm: 'RS256' };
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1')
    return { key, algorithm: 'ES256' };
  throw new TypeError(`public key: expected RSA or P-256, got ${key.asymmetricKeyType ?? 'another kind'}`);
};
