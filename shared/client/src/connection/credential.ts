/** A JWT, or the function that gets one. The function is asked again when the server rejects what it gave. */
export type TokenSource = string | (() => Promise<string> | string);

/** Holds the current token, so that a reconnect does not cost the application's sign-in service a request. */
export class Credential {
  readonly #source: TokenSource;
  #token: string | undefined;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  get refreshable(): boolean {
    return typeof this.#source === 'function';
  }

  /** @throws whatever the application's function throws */
  async current(): Promise<string> {
    return this.#token ?? this.fresh();
  }

  async fresh(): Promise<string> {
    this.#token = undefined;
    const token = typeof this.#source === 'function' ? await this.#source() : this.#source;
    if (typeof token !== 'string' || token === '')
      throw new TypeError(`token: expected a non-empty string, got ${typeof token}`);
    this.#token = token;
    return token;
  }
}
