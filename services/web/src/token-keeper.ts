/** A meta element may name where the page gets its tokens; empty: the person brings them. */
const META = 'sluice-token-url';

/** The address of this site's own sign-in that answers with a token as plain text; undefined: there is none. */
export const tokenUrl = (): string | undefined => {
  const named = document.querySelector<HTMLMetaElement>(`meta[name="${META}"]`)?.content ?? '';
  return named === '' ? undefined : named;
};

/** @throws Error when the site does not give one: its own sign-in comes first */
export const fetchToken = async (url: string): Promise<string> => {
  const answer = await fetch(url, { credentials: 'same-origin', cache: 'no-store' });
  const text = answer.ok ? (await answer.text()).trim() : '';
  if (text === '') throw new Error(`no token from ${url} (${answer.status})`);
  return text;
};

type KeeperOptions = {
  readonly token: string;
  /** undefined: the person is asked for the next one */
  readonly url: string | undefined;
  /** the new one shall be there after a reload too */
  readonly onToken: (token: string) => void;
};

/**
 * Gives the SDK its token, and the next one in time: from the site, or from the person, who then finds a field above the
 * conversation. Nothing is cut off while they look for it, unless the old one ends meanwhile.
 */
export class TokenKeeper {
  readonly #options: KeeperOptions;
  readonly #listeners = new Set<() => void>();
  #token: string;
  #isGiven = false;
  #waiters: ((token: string) => void)[] = [];

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#token = options.token;
  }

  /** As the SDK asks: the first time for what there is, and then for another one. */
  readonly source = async (): Promise<string> => {
    if (!this.#isGiven) {
      this.#isGiven = true;
      return this.#token;
    }
    const { url } = this.#options;
    if (url !== undefined) return this.give(await fetchToken(url));
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#tell();
    });
  };

  /** The newest one, for requests beside the connection. */
  get current(): string {
    return this.#token;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Whether the person is to bring another token. */
  readonly snapshot = (): boolean => this.#waiters.length > 0;

  /** @returns the same token */
  give(token: string): string {
    this.#token = token;
    this.#options.onToken(token);
    for (const resolve of this.#waiters.splice(0)) resolve(token);
    this.#tell();
    return token;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
