import { describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import {
  badTokens,
  generateTestKeys,
  mintToken,
  TEST_AUDIENCE,
  TEST_ISSUER,
  TEST_SECRET,
} from '../src/index.ts';

const keys = generateTestKeys();
const EXPECTED = { issuer: TEST_ISSUER, audience: TEST_AUDIENCE, clockTolerance: 30 };
const verifyHmac = (token: string): jwt.JwtPayload =>
  jwt.verify(token, TEST_SECRET, { ...EXPECTED, algorithms: ['HS256'] }) as jwt.JwtPayload;

/** As a server with a fixed map of keys would do it. */
const verifyByKid = (token: string): jwt.JwtPayload => {
  const { header } = jwt.decode(token, { complete: true }) ?? {};
  const pairs = { [keys.rsa.kid]: ['RS256', keys.rsa], [keys.ec.kid]: ['ES256', keys.ec] } as const;
  if (!header?.kid || !Object.hasOwn(pairs, header.kid)) throw new Error('unknown kid');
  const [algorithm, pair] = pairs[header.kid] as (typeof pairs)[string];
  return jwt.verify(token, pair.publicKey, { ...EXPECTED, algorithms: [algorithm] }) as jwt.JwtPayload;
};

describe('mintToken', () => {
  test('mints what a JWT library accepts, with the claims asked for', () => {
    const token = mintToken({ org: 'acme', user: 'ann', scope: 'read', sessions: ['s*'], ttlS: 60 });
    const claims = verifyHmac(token);
    expect(claims).toMatchObject({ org: 'acme', sub: 'ann', scope: 'read', sessions: ['s*'] });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(60);
  });

  test('mints RS256 and ES256', () => {
    for (const [alg, pair] of [['RS256', keys.rsa] as const, ['ES256', keys.ec] as const]) {
      const key = { alg, key: pair.privateKey, kid: pair.kid };
      expect(verifyByKid(mintToken({ org: 'acme', user: 'ann', key }))).toMatchObject({ sub: 'ann' });
    }
  });

  test('overrides win, and undefined removes a claim', () => {
    const token = mintToken({ org: 'acme', user: 'ann', claims: { org: 'globex', scope: undefined } });
    const claims = verifyHmac(token);
    expect(claims['org']).toBe('globex');
    expect(claims).not.toHaveProperty('scope');
  });
});

describe('badTokens', () => {
  const table = badTokens(TEST_SECRET, keys);

  test('has at least 25 tokens with distinct names, all different', () => {
    expect(table.length).toBeGreaterThanOrEqual(25);
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
    expect(new Set(table.map(({ token }) => token)).size).toBe(table.length);
  });

  // What a JWT library leaves to its user. Everything else must fail already there: a "bad" token that is bad for
  // another reason than its name says would let a server pass without the check.
  const LEFT_TO_THE_SERVER =
    /^(no exp|iat in the far future|iat a string|crit|no sub|sub |no org|org |scope |sessions |jti |over 8 KB|header null)/;

  test.each(table.filter(({ name }) => !LEFT_TO_THE_SERVER.test(name)))('$name is refused', ({ token }) => {
    expect(() => verifyHmac(token)).toThrow();
    expect(() => verifyByKid(token)).toThrow();
  });

  test.each(table.filter(({ name }) => /^(sub|org|scope|sessions|no org|no sub) ?/.test(name)))(
    '$name has a good signature, so that only its claim is at fault',
    ({ token }) => {
      expect(() => jwt.verify(token, TEST_SECRET, { algorithms: ['HS256'] })).not.toThrow();
    },
  );
});
