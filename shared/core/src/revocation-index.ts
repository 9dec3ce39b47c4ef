import type { Revocation } from '@sluice/protocol';

/** A revocation and the sequence it is stored under. */
export type StoredRevocation = Revocation & { readonly rev: number };

/** Whose token it is, and since when; undefined: it does not say. */
export type Bearer = {
  readonly org: string;
  readonly user: string;
  readonly tokenId: string | undefined;
  /** ms since the Unix epoch */
  readonly issuedAt: number | undefined;
};

/** Ids of orgs hold no blank, so no two targets share a path. */
const pathOf = ({ org, of, id }: Pick<Revocation, 'of' | 'id'> & { readonly org: string }): string =>
  `${org} ${of} ${id}`;

/**
 * The revocations that an edge knows. As many as are stored: whoever bounds the store bounds this. A token that does
 * not say when it was issued counts as issued before any of them.
 */
export class RevocationIndex {
  readonly #byTarget = new Map<string, StoredRevocation>();
  #version = 0;

  get size(): number {
    return this.#byTarget.size;
  }

  /** Whoever was not revoked is not as long as this stays the same. */
  get version(): number {
    return this.#version;
  }

  /** Takes one that was heard of, unless a newer one of its target is known. */
  add(revocation: StoredRevocation): void {
    const path = pathOf(revocation);
    if (revocation.rev <= (this.#byTarget.get(path)?.rev ?? 0)) return;
    this.#byTarget.set(path, revocation);
    this.#version += 1;
  }

  /**
   * Takes all that are stored.
   * @param upTo the sequence up to which the listing knows them; what was heard of beyond it stays
   */
  replace(listed: readonly StoredRevocation[], upTo: number): void {
    const paths = new Set(listed.map(pathOf));
    for (const [path, { rev }] of this.#byTarget)
      if (rev <= upTo && !paths.has(path)) this.#byTarget.delete(path);
    for (const revocation of listed) this.add(revocation);
  }

  /** Forgets those that have expired. */
  expire(now: number): void {
    for (const [path, { expiresAt }] of this.#byTarget) if (now >= expiresAt) this.#byTarget.delete(path);
  }

  /** Whether the bearer is kept out of everything. */
  revokes(bearer: Bearer, now: number): boolean {
    if (this.#byTarget.size === 0) return false;
    const { org, user, tokenId } = bearer;
    return (
      this.#covers({ org, of: 'org', id: '' }, bearer, now) ||
      this.#covers({ org, of: 'user', id: user }, bearer, now) ||
      (tokenId !== undefined && this.#covers({ org, of: 'token', id: tokenId }, bearer, now))
    );
  }

  /** Whether the bearer is kept out of a session. */
  closes(session: string, bearer: Bearer, now: number): boolean {
    if (this.#byTarget.size === 0) return false;
    return this.#covers({ org: bearer.org, of: 'session', id: session }, bearer, now);
  }

  #covers(
    target: Pick<Revocation, 'of' | 'id'> & { readonly org: string },
    { issuedAt }: Bearer,
    now: number,
  ): boolean {
    const found = this.#byTarget.get(pathOf(target));
    if (found === undefined || now >= found.expiresAt) return false;
    return found.of === 'token' || issuedAt === undefined || issuedAt <= found.before;
  }
}
