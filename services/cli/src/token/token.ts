import { isReadableName } from '@sluice/protocol';
import { CliError } from '../cli-error.ts';
import { readDemo } from '../demo-file.ts';
import { jwtSecretOf, newestOf } from '../secrets.ts';
import { signToken } from './sign-token.ts';

export type TokenOptions = {
  readonly org: string;
  readonly user: string;
  readonly scope?: string;
  /** separated by commas */
  readonly sessions?: string;
  /** seconds */
  readonly ttl: number;
  readonly secretFile?: string;
};

const SCOPES: ReadonlySet<string> = new Set([
  'read',
  'prompt',
  'cancel',
  'signal',
  'delete',
  'usage',
  'admin',
]);
const SESSION = /^[A-Za-z0-9_-]{1,64}$|^[A-Za-z0-9_-]{0,64}\*$/;

const words = (text: string, separator: RegExp): readonly string[] => text.split(separator).filter(Boolean);

const scopeOf = (text: string): string => {
  const scopes = words(text, /[\s,]+/);
  const unknown = scopes.find((scope) => !SCOPES.has(scope));
  if (unknown === undefined && scopes.length > 0) return scopes.join(' ');
  throw new CliError(
    `--scope: expected some of ${[...SCOPES].join(', ')}, got ${JSON.stringify(unknown ?? text)}`,
  );
};

const sessionsOf = (text: string): readonly string[] => {
  const sessions = words(text, /[\s,]+/);
  const wrong = sessions.find((session) => !SESSION.test(session));
  if (wrong === undefined && sessions.length > 0) return sessions;
  throw new CliError(
    `--sessions: expected ids of A-Z a-z 0-9 _ - or a prefix with * behind it, got ${JSON.stringify(wrong ?? text)}`,
  );
};

/** Prints a token, and nothing else, on stdout. @throws CliError when there is no secret to sign it with */
export const token = ({ org, user, scope, sessions, ttl, secretFile }: TokenOptions): void => {
  const key = jwtSecretOf(secretFile) ?? readDemo()?.secret;
  if (key === undefined)
    throw new CliError(
      'no secret to sign with: give the one the edges have with --secret-file or SLUICE_JWT_SECRET',
    );
  if (!isReadableName(user))
    throw new CliError(`--user: expected a name without invisible characters, got ${JSON.stringify(user)}`);
  const claims = {
    org,
    user,
    ttlSeconds: ttl,
    ...(scope === undefined ? {} : { scope: scopeOf(scope) }),
    ...(sessions === undefined ? {} : { sessions: sessionsOf(sessions) }),
  };
  process.stdout.write(`${signToken(claims, newestOf(key))}\n`);
};
