import { CLOSE_CODES, EXPIRING_NOTICE_MS, SluiceError } from '@sluice/protocol';
import type { CloseCode } from '@sluice/protocol';
import { isSameUser } from '../auth/grant.ts';
import type { Grant } from '../auth/grant.ts';
import { CredentialError } from '../auth/verifier.ts';
import type { EdgeContext } from './edge-context.ts';

/** The connection that is signed in to. */
export interface SignInOwner {
  readonly id: string;
  /** When it was opened, ms. */
  readonly openedAt: number;
  close(code: CloseCode, reason: string): void;
  /** Takes a place for somebody who has signed in. @returns false: there is none */
  enter(): boolean;
  /** A credential was refused. */
  refused(): void;
  /** It owes answers that were asked for while the credential counted: they come whole, and it is closed then. */
  readonly isAnswering: boolean;
  /** The credential expires soon; told once for each. */
  onExpiring(expiresAt: number): void;
}

/** Whose a connection is: from its first credential, over newer ones, to the expiry of the last. */
export class SignIn {
  readonly #owner: SignInOwner;
  readonly #context: EdgeContext;
  #grant: Grant | undefined;
  #isNoticed = false;
  #isOver = false;

  constructor(owner: SignInOwner, context: EdgeContext) {
    this.#owner = owner;
    this.#context = context;
  }

  get grant(): Grant | undefined {
    return this.#grant;
  }

  /**
   * Takes the first credential. @returns undefined: the connection is closed, now or already
   * @throws CredentialError, KeysUnavailableError: to be told, and then given to {@link refuse}
   */
  async enter(token: string): Promise<Grant | undefined> {
    const grant = await this.#verified(token);
    return (await this.admit(grant)) ? grant : undefined;
  }

  /** Takes a first credential that was verified already. @returns false: the connection is closed, now or already */
  async admit(grant: Grant): Promise<boolean> {
    const { users } = this.#context;
    if (this.#isOver) return false;
    try {
      await users.enter(grant);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      this.#owner.close(CLOSE_CODES.tryLater, `too many: ${error.message}`);
      return false;
    }
    // Closed meanwhile, it has left before it was in.
    if (this.#isOver) users.leave(grant);
    else if (this.#owner.enter()) this.#grant = grant;
    else {
      users.leave(grant);
      this.#owner.close(CLOSE_CODES.tryLater, 'no more connections');
    }
    return this.#grant !== undefined;
  }

  /** Closes for a first credential that was not taken. */
  refuse(error: unknown): void {
    const { logger } = this.#context;
    const { id: connection } = this.#owner;
    if (error instanceof CredentialError) {
      logger.info('credential_refused', { connection, reason: error.reason });
      return this.#owner.close(CLOSE_CODES.credential, error.message);
    }
    logger.warn('credential_unchecked', { connection, error });
    this.#owner.close(CLOSE_CODES.tryLater, 'the token cannot be checked at the moment');
  }

  /**
   * Takes a newer credential of the same user. @returns undefined: the connection is closed
   * @throws CredentialError, KeysUnavailableError, SluiceError forbidden
   */
  async renew(token: string, old: Grant): Promise<Grant | undefined> {
    const grant = await this.#verified(token);
    if (this.#isOver) return undefined;
    if (!isSameUser(grant, old))
      throw new SluiceError('forbidden', 'a refreshed token must keep `sub` and `org`');
    this.#grant = grant;
    this.#isNoticed = false;
    return grant;
  }

  async #verified(token: string): Promise<Grant> {
    try {
      return await this.#context.verify(token);
    } catch (error) {
      if (error instanceof CredentialError) this.#owner.refused();
      throw error;
    }
  }

  /** Called about once a second: credentials that never came, were revoked, expire, or have expired. */
  tick(now: number): void {
    if (this.#grant === undefined) {
      if (now - this.#owner.openedAt >= this.#context.authTimeoutMs)
        this.#owner.close(CLOSE_CODES.authTimeout, 'no credential in time');
      return;
    }
    const { expiresAt, standing } = this.#grant;
    if (standing.isRevoked()) return this.#owner.close(CLOSE_CODES.credential, 'the token was revoked');
    if (now >= expiresAt && this.#owner.isAnswering) return;
    if (now >= expiresAt) return this.#owner.close(CLOSE_CODES.credential, 'the token has expired');
    if (this.#isNoticed || now < expiresAt - EXPIRING_NOTICE_MS) return;
    this.#isNoticed = true;
    this.#owner.onExpiring(expiresAt);
  }

  /** The connection is over. Called once. */
  leave(): void {
    this.#isOver = true;
    if (this.#grant !== undefined) this.#context.users.leave(this.#grant);
  }
}
