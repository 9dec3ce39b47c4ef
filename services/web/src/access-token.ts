import { parseFragment, sessionFragment } from './address.ts';

const KEY = 'sluice.token';

/**
 * The credential of this tab. It comes in by the fragment or the form, lives in sessionStorage, and so ends
 * with the tab; it is never in the address bar for longer than this function runs.
 */
export const takeAccessToken = (): string | undefined => {
  const { token, session } = parseFragment(location.hash);
  if (token === undefined) return sessionStorage.getItem(KEY) ?? undefined;
  sessionStorage.setItem(KEY, token);
  const rest = session === undefined ? '' : sessionFragment(session);
  history.replaceState(null, '', `${location.pathname}${location.search}${rest}`);
  return token;
};

export const keepAccessToken = (token: string): void => sessionStorage.setItem(KEY, token);

export const dropAccessToken = (): void => sessionStorage.removeItem(KEY);
