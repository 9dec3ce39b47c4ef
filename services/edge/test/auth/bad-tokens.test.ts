import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  badTokens,
  generateTestKeys,
  mintToken,
  openRawClient,
  TEST_AUDIENCE,
  TEST_SECRET,
} from '@sluice/testkit';
import type { MintOptions, TestKeys } from '@sluice/testkit';
import { createWorld } from '../support/world.ts';
import type { EdgeSetup, TestEdge, World } from '../support/world.ts';

const keys = generateTestKeys();
const ann: MintOptions = { org: 'acme', user: 'ann' };
const hs256 = mintToken(ann);
const tokensOf = ({ rsa, ec }: TestKeys): [rs256: string, es256: string] => [
  mintToken({ ...ann, key: { alg: 'RS256', key: rsa.privateKey, kid: rsa.kid } }),
  mintToken({ ...ann, key: { alg: 'ES256', key: ec.privateKey, kid: ec.kid } }),
];
const [rs256, es256] = tokensOf(keys);
const next = generateTestKeys();
const NEW_SECRET = 'another-secret-of-32-bytes-and-more';

type Row = {
  readonly name: string;
  readonly setup: EdgeSetup;
  readonly good: string[];
  readonly bad: string[];
};
const configurations: Row[] = [
  { name: 'HS256', setup: {}, good: [hs256], bad: [rs256, es256] },
  {
    name: 'RS256',
    setup: { jwtSecret: undefined, jwtPublicKey: keys.rsa.publicKey },
    good: [rs256],
    bad: [hs256, es256],
  },
  {
    name: 'ES256',
    setup: { jwtSecret: undefined, jwtPublicKey: keys.ec.publicKey },
    good: [es256],
    bad: [hs256, rs256],
  },
  {
    name: 'several secrets and public keys, while some replace others',
    setup: {
      jwtSecret: `${NEW_SECRET}\n${TEST_SECRET}\n`,
      jwtPublicKey: [next.rsa, keys.rsa, next.ec, keys.ec].map(({ publicKey }) => publicKey).join('\n'),
    },
    good: [hs256, rs256, es256, mintToken({ ...ann, secret: NEW_SECRET }), ...tokensOf(next)],
    bad: [mintToken({ ...ann, secret: `${NEW_SECRET}\n${TEST_SECRET}` }), ...tokensOf(generateTestKeys())],
  },
  {
    name: 'HS256 and RS256 together',
    setup: { jwtPublicKey: keys.rsa.publicKey },
    good: [hs256, rs256],
    bad: [es256],
  },
];

const world: World = createWorld();
afterAll(() => world.close());

/** What came of a token: `ready`, or the close. */
const outcomeOf = async (edge: TestEdge, token: string): Promise<unknown> => {
  const client = await openRawClient(edge.url, { token, auth: 'header' });
  const ready = client.nextFrame('ready').then(
    () => 'ready',
    () => undefined,
  );
  const outcome = await Promise.race([client.closed, ready]);
  client.terminate();
  return outcome ?? (await client.closed);
};
const refused = { code: 4401, reason: 'the token was not accepted' };

describe.each(configurations)('an edge configured for $name', ({ setup, good, bad }) => {
  let edge: TestEdge;
  beforeAll(async () => {
    edge = await world.addEdge(setup);
  });

  test('accepts its own tokens', async () => {
    for (const token of good) expect(await outcomeOf(edge, token)).toBe('ready');
  });

  test('refuses tokens of another algorithm', async () => {
    for (const token of bad) expect(await outcomeOf(edge, token)).toEqual(refused);
  });

  test('refuses every bad token, each with the same words', async () => {
    const table = badTokens(TEST_SECRET, keys);
    expect(table.length).toBeGreaterThanOrEqual(25);
    for (const { name, token } of table) {
      expect([name, await outcomeOf(edge, token)]).toEqual([name, refused]);
    }
  });
});

describe('an edge', () => {
  test('accepts one of several audiences', async () => {
    const edge = await world.addEdge();
    const token = mintToken({ ...ann, claims: { aud: ['other', TEST_AUDIENCE] } });
    expect(await outcomeOf(edge, token)).toBe('ready');
  });

  test('does not look at issuer and audience where none is configured', async () => {
    const edge = await world.addEdge({ jwtIssuer: undefined, jwtAudience: undefined });
    const token = mintToken({ ...ann, claims: { iss: 'anyone', aud: undefined } });
    expect(await outcomeOf(edge, token)).toBe('ready');
  });

  test('allows clocks to differ by 30 s, and by no more', async () => {
    const edge = await world.addEdge();
    const now = Math.floor(Date.now() / 1000);
    const early = (s: number): string => mintToken({ ...ann, claims: { nbf: now + s, iat: now + s } });
    expect(await outcomeOf(edge, early(25))).toBe('ready');
    expect(await outcomeOf(edge, early(35))).toEqual(refused);
    const late = (s: number): string => mintToken({ ...ann, claims: { iat: now - 900, exp: now - s } });
    expect(await outcomeOf(edge, late(20))).toBe('ready');
    expect(await outcomeOf(edge, late(35))).toEqual(refused);
  });

  test('refuses tokens that live for longer than it allows, and then also those that do not say how long', async () => {
    const edge = await world.addEdge({ jwtMaxAgeS: 600 });
    expect(await outcomeOf(edge, mintToken({ ...ann, ttlS: 600 }))).toBe('ready');
    expect(await outcomeOf(edge, mintToken({ ...ann, ttlS: 601 }))).toEqual(refused);
    expect(await outcomeOf(edge, mintToken({ ...ann, ttlS: 60, claims: { iat: undefined } }))).toEqual(
      refused,
    );
    expect(await outcomeOf(await world.addEdge(), mintToken({ ...ann, claims: { iat: undefined } }))).toBe(
      'ready',
    );
  });

  test('does not start with a public key that is none', async () => {
    await expect(world.addEdge({ jwtPublicKey: 'nonsense' })).rejects.toThrow();
  });

  test('does not start with an EC key of another curve', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const jwtPublicKey = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    await expect(world.addEdge({ jwtPublicKey })).rejects.toThrow('expected RSA or P-256');
  });
});
