import { createPublicKey, createSecretKey } from 'node:crypto';
import { NoKeyError } from './key-errors.ts';
import { KeySet } from './key-set.ts';
import type { KeySetOptions } from './key-set.ts';
import { verificationKeyOf } from './verification-key.ts';
import type { VerificationKey } from './verification-key.ts';

/** Finds the keys that a token may be signed with, most often one. @throws NoKeyError, KeysUnavailableError */
export type KeySource = (header: {
  readonly kid?: string | undefined;
  readonly alg: string;
}) => Promise<readonly VerificationKey[]>;

export type KeyConfig = {
  /** one or more, one per line */
  readonly jwtSecret?: string | undefined;
  /** one or more PEMs */
  readonly jwtPublicKey?: string | undefined;
  readonly jwksUrl?: string | undefined;
  readonly jwksRefreshMs: number;
};

type KeysDeps = Pick<KeySetOptions, 'clock' | 'logger' | 'leaving'>;

/**
 * The configured keys. The token's `alg` and `kid` only choose among them: each key stays bound to its own algorithm, so
 * an RSA public key is never tried as an HMAC secret.
 * @throws TypeError for a PEM that is neither RSA nor P-256
 */
export const createKeySource = (config: KeyConfig, deps: KeysDeps): KeySource => {
  const { jwtSecret, jwtPublicKey, jwksUrl, jwksRefreshMs } = config;
  const fixed = [...secretsOf(jwtSecret), ...pemsOf(jwtPublicKey)];
  const set =
    jwksUrl === undefined ? undefined : new KeySet({ url: jwksUrl, refreshMs: jwksRefreshMs, ...deps });
  return async ({ kid, alg }) => {
    const own = fixed.filter(({ algorithm }) => algorithm === alg);
    // A token of a key that is configured may have any `kid`, and causes no read of the set.
    if (own.length > 0) return [...own, ...(set?.known(kid, alg) ?? [])];
    if (set === undefined || !isPublished(alg)) throw new NoKeyError('no key for this algorithm');
    return set.find(kid, alg);
  };
};

const isPublished = (alg: string): boolean => alg === 'RS256' || alg === 'ES256';

/** Given as text, the library would first try to read it as a PEM, and an error per token costs more than its check. */
const secretsOf = (text = ''): VerificationKey[] =>
  text
    .split(/\r?\n/)
    .filter((secret) => secret !== '')
    .map((secret) => ({ key: createSecretKey(Buffer.from(secret)), algorithm: 'HS256' }));

const PEM = /-----BEGIN [\s\S]+?-----END [A-Z ]+-----/g;

const pemsOf = (text: string | undefined): VerificationKey[] => {
  if (text === undefined) return [];
  return (text.match(PEM) ?? [text]).map((pem) => verificationKeyOf(createPublicKey(pem)));
};
