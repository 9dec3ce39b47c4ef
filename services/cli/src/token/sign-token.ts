import jwt from 'jsonwebtoken';

export type TokenClaims = {
  readonly org: string;
  /** the `sub` claim */
  readonly user: string;
  /** space separated; default none, which edges read as `read prompt cancel signal` */
  readonly scope?: string;
  /** exact ids or `prefix*`; default none, which is all of the org's */
  readonly sessions?: readonly string[];
  readonly ttlSeconds: number;
};

/** An HS256 JWT as edges accept it. */
export const signToken = ({ org, user, scope, sessions, ttlSeconds }: TokenClaims, secret: string): string =>
  jwt.sign(
    { org, ...(scope === undefined ? {} : { scope }), ...(sessions === undefined ? {} : { sessions }) },
    secret,
    { algorithm: 'HS256', subject: user, expiresIn: ttlSeconds },
  );
