import type { Org } from './ids.ts';

/** What of an org can be revoked: everything, a user, one token, or who may enter a session. */
export const REVOCABLE = ['org', 'user', 'token', 'session'] as const;

/** That tokens count no more. A newer one of the same target takes its place. */
export type Revocation = {
  readonly org: Org;
  readonly of: (typeof REVOCABLE)[number];
  /** the `sub`, the `jti` or the session; empty for an org */
  readonly id: string;
  /** tokens issued until then are meant, ms since the Unix epoch; newer ones, and those of a `token`, are not asked */
  readonly before: number;
  /** it counts until then, ms since the Unix epoch */
  readonly expiresAt: number;
};
