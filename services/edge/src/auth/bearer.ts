import type { IncomingMessage } from 'node:http';

/** The token of an `Authorization` header, if it is a bearer's. */
export const bearerOf = (header: string | undefined): string | undefined =>
  /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];

/** The cookie that a browser's EventSource, which can send no header of ours, may bring its token in. */
const COOKIE = /(?:^|; *)sluice_token=([\w.-]+)(?:;|$)/;
const OWN_SITE: readonly (string | undefined)[] = [undefined, 'none', 'same-origin', 'same-site'];

/**
 * The token of the cookie `sluice_token`, for requests that change nothing. A browser adds cookies to whatever
 * a page asks for: one that says that the page is another site's gets none.
 */
export const cookieTokenOf = ({
  method,
  headers,
}: Pick<IncomingMessage, 'method' | 'headers'>): string | undefined => {
  const site = headers['sec-fetch-site'];
  if (method !== 'GET' || !OWN_SITE.includes(Array.isArray(site) ? '' : site)) return undefined;
  return COOKIE.exec(headers.cookie ?? '')?.[1];
};
