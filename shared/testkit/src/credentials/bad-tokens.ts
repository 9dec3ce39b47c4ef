import { createHmac, createPublicKey } from 'node:crypto';
import { generateTestKeys, segment, signJws } from './jws.ts';
import type { SigningKey, TestKeys } from './jws.ts';
import { epochSeconds, mintToken } from './jwt.ts';
import type { MintOptions } from './jwt.ts';

export type BadToken = { readonly name: string; readonly token: string };

type Claims = Readonly<Record<string, unknown>>;
type Forge = {
  readonly secret: string;
  readonly keys: TestKeys;
  /** keys the server has never seen */
  readonly foreign: TestKeys;
  /** a token that would be good but for these claims */
  readonly claiming: (claims: Claims) => string;
  /** good claims, signed and labelled as given */
  readonly signed: (key: SigningKey, header?: Claims) => string;
};

const VICTIM: MintOptions = { org: 'acme', user: 'ann' };
const MAX_TOKEN_BYTES = 8 * 1024;
const BEYOND_LEEWAY_S = 120;

const payloadOf = (token: string): Claims =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Claims;

const forgeOf = (secret: string, keys: TestKeys): Forge => ({
  secret,
  keys,
  foreign: generateTestKeys(),
  claiming: (claims) => mintToken({ ...VICTIM, secret, claims }),
  signed: (key, header) => signJws(payloadOf(mintToken(VICTIM)), key, header),
});

type Row = readonly [name: string, token: string];

const algorithms = ({ secret, keys, signed }: Forge): Row[] => {
  const hmac: SigningKey = { alg: 'HS256', key: secret };
  const payload = segment(payloadOf(mintToken(VICTIM)));
  const unsigned = (alg: string): string => `${segment({ alg, typ: 'JWT' })}.${payload}.`;
  return [
    ['alg none', unsigned('none')],
    ['alg None', unsigned('None')],
    ['alg nOnE', unsigned('nOnE')],
    ['alg none with a good signature', signed(hmac, { alg: 'none' })],
    ['alg missing', signed(hmac, { alg: undefined })],
    ['alg empty', signed(hmac, { alg: '' })],
    ['alg lower case', signed(hmac, { alg: 'hs256' })],
    ['alg an array', signed(hmac, { alg: ['HS256'] })],
    ['alg HS512, not in the list', signed({ alg: 'HS512', key: secret })],
    ['alg PS256, not in the list', signed({ alg: 'PS256', key: keys.rsa.privateKey, kid: keys.rsa.kid })],
    ['HS256 with the RSA public key as secret', signed({ alg: 'HS256', key: keys.rsa.publicKey })],
    [
      'HS256 with the RSA public key as secret and its kid',
      signed({ alg: 'HS256', key: keys.rsa.publicKey, kid: keys.rsa.kid }),
    ],
    [
      'HS256 with the EC public key as secret',
      signed({ alg: 'HS256', key: keys.ec.publicKey, kid: keys.ec.kid }),
    ],
    ['ES256 labelled RS256', signed({ alg: 'ES256', key: keys.ec.privateKey }, { alg: 'RS256' })],
  ];
};

const keysAndHeaders = ({ secret, keys, foreign, signed }: Forge): Row[] => {
  const attacker: SigningKey = { alg: 'RS256', key: foreign.rsa.privateKey };
  const jwk = createPublicKey(foreign.rsa.publicKey).export({ format: 'jwk' });
  const hmac: SigningKey = { alg: 'HS256', key: secret };
  return [
    ['wrong secret', signed({ alg: 'HS256', key: `${secret}x` })],
    ['empty secret', signed({ alg: 'HS256', key: '' })],
    ['foreign RSA key under a known kid', signed({ ...attacker, kid: keys.rsa.kid })],
    [
      'foreign EC key under a known kid',
      signed({ alg: 'ES256', key: foreign.ec.privateKey, kid: keys.ec.kid }),
    ],
    ['unknown kid', signed({ ...attacker, kid: 'nobody' })],
    ['kid path traversal', signed({ alg: 'HS256', key: '', kid: '../../../../dev/null' })],
    ['kid SQL injection', signed({ alg: 'HS256', key: 'x', kid: "x' UNION SELECT 'x" })],
    ['kid __proto__', signed({ alg: 'HS256', key: '[object Object]', kid: '__proto__' })],
    ['kid a URL', signed({ ...attacker, kid: 'http://127.0.0.1:1/key.pem' })],
    ['embedded jwk', signed(attacker, { jwk: { ...jwk, alg: 'RS256', use: 'sig' } })],
    ['jku of the attacker', signed({ ...attacker, kid: 'a' }, { jku: 'http://127.0.0.1:1/jwks.json' })],
    ['x5u of the attacker', signed(attacker, { x5u: 'http://127.0.0.1:1/cert.pem' })],
    ['x5c of the attacker', signed(attacker, { x5c: ['MIIB'] })],
    ['crit header', signed(hmac, { crit: ['x-must-understand'], 'x-must-understand': true })],
    ['crit b64 false', signed(hmac, { crit: ['b64'], b64: false })],
  ];
};

const times = ({ claiming }: Forge): Row[] => {
  const now = epochSeconds();
  return [
    ['no exp', claiming({ exp: undefined })],
    ['exp beyond the leeway ago', claiming({ iat: now - 3_600, exp: now - BEYOND_LEEWAY_S })],
    ['exp a string', claiming({ exp: String(now + 3_600) })],
    ['exp a date', claiming({ exp: '2099-01-01T00:00:00Z' })],
    ['exp null', claiming({ exp: null })],
    ['exp zero', claiming({ exp: 0 })],
    ['exp an array', claiming({ exp: [now + 3_600] })],
    ['nbf in the future', claiming({ nbf: now + BEYOND_LEEWAY_S })],
    ['nbf a string', claiming({ nbf: String(now) })],
    ['iat in the far future', claiming({ iat: now + 86_400, exp: now + 90_000 })],
    ['iat a string', claiming({ iat: 'now' })],
  ];
};

const claims = ({ claiming }: Forge): Row[] => [
  ['wrong aud', claiming({ aud: 'other' })],
  ['aud list without ours', claiming({ aud: ['other', 'another'] })],
  ['no aud', claiming({ aud: undefined })],
  ['wrong iss', claiming({ iss: 'https://evil.test' })],
  ['iss with ours as prefix', claiming({ iss: 'https://issuer.test.evil.test' })],
  ['no iss', claiming({ iss: undefined })],
  ['no sub', claiming({ sub: undefined })],
  ['sub empty', claiming({ sub: '' })],
  ['sub a number', claiming({ sub: 7 })],
  ['sub with an escape sequence', claiming({ sub: 'ann\u001b[2J' })],
  ['sub with a one-byte control sequence', claiming({ sub: 'ann\u009b2J' })],
  ['sub that turns the direction of text', claiming({ sub: '\u202enna' })],
  ['sub with a character of no width', claiming({ sub: 'ad\u200bmin' })],
  ['sub with a blank at its end', claiming({ sub: 'ann ' })],
  ['no org', claiming({ org: undefined })],
  ['org empty', claiming({ org: '' })],
  ['org a wildcard', claiming({ org: '*' })],
  ['org a full wildcard', claiming({ org: '>' })],
  ['org with a dot', claiming({ org: 'acme.other' })],
  ['org with a space', claiming({ org: 'acme ' })],
  ['org with a line break', claiming({ org: 'acme\r\nPUB x' })],
  ['org with NUL', claiming({ org: 'acme\u0000' })],
  ['org not ASCII', claiming({ org: 'acmé' })],
  ['org of 65 characters', claiming({ org: 'a'.repeat(65) })],
  ['org an array', claiming({ org: ['acme'] })],
  ['org an object', claiming({ org: { toString: 'acme' } })],
  ['jti a number', claiming({ jti: 7 })],
  ['scope not a string', claiming({ scope: ['read', 'prompt'] })],
  ['sessions not an array', claiming({ sessions: 'all*' })],
  ['sessions with a number', claiming({ sessions: ['s1', 2] })],
];

const flipLast = (text: string): string => `${text.slice(0, -2)}${text.endsWith('AA') ? 'BB' : 'AA'}`;

const shapes = ({ secret, keys, claiming, signed }: Forge): Row[] => {
  const good = claiming({});
  const [header = '', payload = '', signature = ''] = good.split('.');
  const otherOrg = segment({ ...payloadOf(good), org: 'globex' });
  const macOf = (input: string): string => createHmac('sha256', secret).update(input).digest('base64url');
  const signedSegments = (first: string, second: string): string =>
    `${first}.${second}.${macOf(`${first}.${second}`)}`;
  const ec = signed({ alg: 'ES256', key: keys.ec.privateKey, kid: keys.ec.kid }).split('.');
  return [
    ['signature truncated', good.slice(0, -8)],
    ['signature empty', `${header}.${payload}.`],
    ['signature left out', `${header}.${payload}`],
    ['signature of another token', `${header}.${payload}.${flipLast(signature)}`],
    ['ES256 signature of zeros', `${ec[0]}.${ec[1]}.${Buffer.alloc(64).toString('base64url')}`],
    ['payload tampered with', `${header}.${otherOrg}.${signature}`],
    ['payload not JSON', signedSegments(header, segment('org=acme'))],
    ['payload an array', signedSegments(header, segment([payloadOf(good)]))],
    ['payload a string', signedSegments(header, segment('"acme"'))],
    ['payload null', signedSegments(header, segment('null'))],
    ['header not JSON', signedSegments(segment('HS256'), payload)],
    ['header null', signedSegments(segment('null'), payload)],
    ['two dots only', '..'],
    ['a word', 'token'],
    ['five segments', `${good}.${payload}.${signature}`],
    ['two tokens', `${good},${good}`],
    ['over 8 KB', claiming({ padding: 'x'.repeat(MAX_TOKEN_BYTES) })],
  ];
};

/**
 * Tokens that no server may accept that is configured with HS256 and `secret`, or with RS256 and ES256 and the public
 * `keys` by kid, and in both cases with the issuer and audience of {@link mintToken}. Names are distinct.
 */
export const badTokens = (secret: string, keys: TestKeys): BadToken[] => {
  const forge = forgeOf(secret, keys);
  const rows = [algorithms, keysAndHeaders, times, claims, shapes].flatMap((group) => group(forge));
  return rows.map(([name, token]) => ({ name, token }));
};
