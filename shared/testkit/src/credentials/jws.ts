import { constants, createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** Signing without the checks of a JWT library, since most of what tests need is what a library refuses to make. */
export type SigningKey = {
  readonly alg: string;
  /** HMAC secret, or the private key as PEM */
  readonly key: string;
  readonly kid?: string;
};

export type KeyPair = { readonly kid: string; readonly privateKey: string; readonly publicKey: string };
export type TestKeys = { readonly rsa: KeyPair; readonly ec: KeyPair };

const pairOf = (kid: string, pair: { publicKey: KeyObject; privateKey: KeyObject }): KeyPair => ({
  kid,
  publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
});

/** A fresh RSA-2048 and a fresh P-256 pair, PEM, with the kids `rsa-1` and `ec-1`. Takes some 100 ms. */
export const generateTestKeys = (): TestKeys => ({
  rsa: pairOf('rsa-1', generateKeyPairSync('rsa', { modulusLength: 2048 })),
  ec: pairOf('ec-1', generateKeyPairSync('ec', { namedCurve: 'P-256' })),
});

/** base64url of the value's JSON, or of the string as it is */
export const segment = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const signatureOf = (alg: string, key: string, input: string): string => {
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith('HS')) return createHmac(hash, key).update(input).digest('base64url');
  const signer = createSign(hash).update(input);
  if (alg.startsWith('RS')) return signer.sign(key, 'base64url');
  if (alg.startsWith('ES')) return signer.sign({ key, dsaEncoding: 'ieee-p1363' }, 'base64url');
  if (alg.startsWith('PS')) {
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    return signer.sign({ key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }, 'base64url');
  }
  throw new TypeError(`signJws: expected an alg of HS, RS, ES or PS, got ${alg}`);
};

/**
 * Compact JWS of any payload: the header is `{alg, typ: "JWT", kid?}` and what `header` adds or overrides, so a
 * header may lie about the `alg` that signed it.
 */
export const signJws = (
  payload: unknown,
  { alg, key, kid }: SigningKey,
  header: Readonly<Record<string, unknown>> = {},
): string => {
  const fullHeader = { alg, typ: 'JWT', ...(kid === undefined ? {} : { kid }), ...header };
  const input = `${segment(fullHeader)}.${segment(payload)}`;
  return `${input}.${signatureOf(alg, key, input)}`;
};
