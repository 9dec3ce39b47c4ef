import { signJws } from './jws.ts';
import type { SigningKey } from './jws.ts';

/** HMAC secret that tests share with the services they start; 32 bytes, as services demand. */
export const TEST_SECRET = 'testkit-secret-of-thirty-two-byt';
export const TEST_ISSUER = 'https://issuer.test';
export const TEST_AUDIENCE = 'sluice';

export type MintOptions = {
  readonly org: string;
  /** the `sub` claim */
  readonly user: string;
  /** space separated; default none, which servers read as `read prompt cancel signal` */
  readonly scope?: string;
  /** exact ids or `prefix*`; default none, which is all of the org */
  readonly sessions?: readonly string[];
  /** seconds until `exp`, default 3600; negative: expired already */
  readonly ttlS?: number;
  /** HS256 with this secret; default {@link TEST_SECRET} */
  readonly secret?: string;
  /** another algorithm, e.g. `{alg: 'RS256', key: keys.rsa.privateKey, kid: keys.rsa.kid}`; wins over `secret` */
  readonly key?: SigningKey;
  /** added last, hence overriding; undefined removes a claim */
  readonly claims?: Readonly<Record<string, unknown>>;
};

/** Seconds since the epoch, JWT's unit. */
export const epochSeconds = (): number => Math.floor(Date.now() / 1_000);

/** A token with `sub`, `org`, `iat`, `exp`, `iss` = {@link TEST_ISSUER} and `aud` = {@link TEST_AUDIENCE}. */
export const mintToken = (options: MintOptions): string => {
  const { org, user, scope, sessions, ttlS = 3_600, claims } = options;
  const iat = epochSeconds();
  const payload = {
    iss: TEST_ISSUER,
    aud: TEST_AUDIENCE,
    sub: user,
    org,
    iat,
    exp: iat + ttlS,
    ...(scope === undefined ? {} : { scope }),
    ...(sessions === undefined ? {} : { sessions }),
    ...claims,
  };
  return signJws(payload, options.key ?? { alg: 'HS256', key: options.secret ?? TEST_SECRET });
};
