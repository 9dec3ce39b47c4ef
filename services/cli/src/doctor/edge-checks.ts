import { isId } from '@sluice/protocol';
import type { JwtPayload } from 'jsonwebtoken';
import { CliError } from '../cli-error.ts';
import { connectTo } from '../edge/target.ts';
import { probeUpgrade } from '../edge/upgrade-probe.ts';
import { secretsIn } from '../secrets.ts';
import { fail, messageOf, ok, skipped } from './finding.ts';
import type { Finding } from './finding.ts';

const MAKE_ONE = 'make one with `sluice token`, see `sluice token --help`';

const spanOf = (seconds: number): string => {
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
  ] as const;
  const [size, unit] = units.find(([each]) => seconds >= 2 * each) ?? [1, 's'];
  return `${Math.round(seconds / size)} ${unit}`;
};

const missingClaim = ({ sub, org, exp }: JwtPayload): string | undefined => {
  if (typeof sub !== 'string' || sub === '') return 'sub';
  if (!isId(org)) return 'org';
  return typeof exp === 'number' ? undefined : 'exp';
};

/** @param secret undefined when only the edges know it; then the signature is left to them */
export const checkToken = async (token: string | undefined, secret: string | undefined): Promise<Finding> => {
  const check = 'token';
  if (token === undefined)
    return fail(check, 'none', `give one with --token or SLUICE_TOKEN, or ${MAKE_ONE}`);
  const { default: jwt } = await import('jsonwebtoken');
  const claims = jwt.decode(token);
  if (claims === null || typeof claims === 'string')
    return fail(check, 'no JWT: it cannot be decoded', MAKE_ONE);
  const missing = missingClaim(claims);
  if (missing !== undefined) return fail(check, `without a usable claim \`${missing}\``, MAKE_ONE);
  const left = (claims.exp ?? 0) - Date.now() / 1_000;
  if (left <= 0) return fail(check, `expired ${spanOf(-left)} ago`, MAKE_ONE);
  const whose = `user ${claims.sub} of org ${String(claims['org'])}, valid for ${spanOf(left)}`;
  if (secret === undefined) return ok(check, `${whose}; its signature is for the edge to judge`);
  const faults = secretsIn(secret).flatMap((each) => {
    try {
      jwt.verify(token, each, { algorithms: ['HS256'] });
      return [];
    } catch (error) {
      return messageOf(error);
    }
  });
  if (faults.length < secretsIn(secret).length) return ok(check, `${whose}, signed with the secret`);
  return fail(check, `${whose}, but ${faults[0]}`, 'sign it with the secret that the edges have');
};

const hasExpired = async (token: string): Promise<boolean> => {
  const { default: jwt } = await import('jsonwebtoken');
  const claims = jwt.decode(token);
  return typeof claims === 'object' && claims?.exp !== undefined && claims.exp <= Date.now() / 1_000;
};

/** The way a browser takes: an upgrade through the public address, then `ready` for the token. */
export const checkEdge = async (url: string, token: string | undefined): Promise<readonly Finding[]> => {
  const upgrade = await probeUpgrade(url);
  if (!upgrade.ok)
    return [
      fail('WebSocket', `${url}: ${upgrade.found}`, 'is the edge running, and --url the address people use?'),
      skipped('sign-in', 'needs the WebSocket'),
    ];
  const found = ok('WebSocket', `${url}: ${upgrade.found}`);
  if (token === undefined) return [found, skipped('sign-in', 'needs a token')];
  // An edge whose clock differs may still take it: that would contradict what is said of the token.
  if (await hasExpired(token)) return [found, skipped('sign-in', 'needs a token that has not expired')];
  try {
    const startedAt = performance.now();
    const client = await connectTo({ url, token }, () => undefined);
    const ms = Math.round(performance.now() - startedAt);
    const { user = '', org = '' } = client.ready ?? {};
    await client.close();
    return [found, ok('sign-in', `ready after ${ms} ms as ${user} of ${org}`)];
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return [found, fail('sign-in', error.message, 'use a token that the edge trusts')];
  }
};
