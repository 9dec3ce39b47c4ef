import { parseSessionId, RESERVED_PREFIX, SluiceError } from '@sluice/protocol';
import type { Org, SessionKey } from '@sluice/protocol';
import type { Standing } from './standing.ts';

/** `delete`: sessions and items of others. `usage`: what the whole org has used. `admin`: both, and its figures. */
export type Scope = 'read' | 'prompt' | 'cancel' | 'signal' | 'delete' | 'usage' | 'admin';

export const DEFAULT_SCOPES: ReadonlySet<string> = new Set<Scope>(['read', 'prompt', 'cancel', 'signal']);

/** What a verified token allows. */
export type Grant = {
  readonly user: string;
  readonly org: Org;
  readonly scopes: ReadonlySet<string>;
  /** exact ids or `prefix*`; undefined: every session of the org */
  readonly sessions: readonly string[] | undefined;
  /** sessions of the system's own that it reaches */
  readonly reserved: ReadonlySet<string>;
  /** ms since the Unix epoch */
  readonly expiresAt: number;
  /** whether it counts no more, and which sessions were closed to it */
  readonly standing: Standing;
};

/** Whose a request is. */
export type Caller = Pick<Grant, 'user' | 'org'>;

/** Whether the grant reaches this session at all; where not, the session does not exist for its bearer. */
export const reaches = ({ sessions, reserved, standing }: Grant, session: string): boolean => {
  if (session.startsWith(RESERVED_PREFIX) && !reserved.has(session)) return false;
  if (standing.closes(session)) return false;
  return (
    sessions === undefined ||
    sessions.some((pattern) =>
      pattern.endsWith('*') ? session.startsWith(pattern.slice(0, -1)) : session === pattern,
    )
  );
};

export const allows = ({ scopes }: Grant, scope: Scope): boolean => scopes.has(scope);

/** Whether its viewers count when a run is held, parked or continued: only who may prompt decides about runs. */
export const mayGovern = (grant: Grant): boolean => allows(grant, 'prompt');

export const isSameUser = (one: Caller, other: Caller): boolean =>
  one.user === other.user && one.org === other.org;

/**
 * The session, if this grant reaches it: what it does not reach does not exist for its bearer. What the system's own
 * sessions ask for is scope `admin`, which it took to reach them.
 * @throws SluiceError not_found, forbidden
 */
export const openSession = (grant: Grant, session: string, scope?: Scope): SessionKey => {
  if (!reaches(grant, session)) throw new SluiceError('not_found', 'no such session');
  const isOurs = session.startsWith(RESERVED_PREFIX);
  if (scope !== undefined && !isOurs && !allows(grant, scope))
    throw new SluiceError('forbidden', `expected scope \`${scope}\``);
  return { org: grant.org, session: parseSessionId(session) };
};
