import { factsOf } from './profile.ts';
import type { Profile } from './profile.ts';
import type { UpstreamTarget } from './upstream-call.ts';

export type UpstreamAddressOptions = {
  /** base URL; its `user:password@` is sent as Basic, its query with every request */
  readonly upstream: string;
  readonly apiKey?: string | undefined;
  readonly profile: Profile;
};

/** Where a server is, and how it is told who asks. Credentials leave as headers and in no other way. */
export class UpstreamAddress {
  readonly #base: URL;
  readonly #headers: Readonly<Record<string, string>>;

  /** @throws TypeError when `upstream` is not an http or https URL, or both it and a key say who asks */
  constructor({ upstream, apiKey, profile }: UpstreamAddressOptions) {
    if (!/^https?:\/\//.test(upstream) || !URL.canParse(upstream))
      throw new TypeError('upstream: expected an http or https URL');
    this.#base = new URL(upstream);
    const basic = basicOf(this.#base);
    const { credential } = factsOf(profile);
    if (basic !== undefined && apiKey !== undefined && credential === 'bearer')
      throw new TypeError(
        'upstream: expected a key or `user:password@`, got both; one header has room for one',
      );
    this.#base.username = '';
    this.#base.password = '';
    this.#headers = {
      'accept-encoding': 'identity',
      ...(basic === undefined ? {} : { authorization: basic }),
      ...(apiKey === undefined ? {} : keyHeader(apiKey, credential)),
    };
  }

  target(method: 'GET' | 'POST', path: string): UpstreamTarget {
    const url = new URL(this.#base);
    url.pathname = `${url.pathname.replace(/\/+$/, '')}${path}`;
    return { url: url.href, method, headers: this.#headers };
  }
}

const keyHeader = (key: string, credential: 'bearer' | 'api-key'): Record<string, string> =>
  credential === 'bearer' ? { authorization: `Bearer ${key}` } : { 'api-key': key };

/** As https://www.rfc-editor.org/rfc/rfc7617 says. */
const basicOf = ({ username, password }: URL): string | undefined => {
  if (username === '' && password === '') return undefined;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
};
