import { fragmentOf, parseFragment } from './address.ts';
import { dropKillKey, keepKillKey } from './proof/kill-switch.ts';
import type { Given } from './sign-in-code.ts';

const KEY = 'sluice.token';

/**
 * The credential of this tab. It comes in by the fragment or the form, lives in sessionStorage, and so ends
 * with the tab.
 */
export const keptAccessToken = (): string | undefined => sessionStorage.getItem(KEY) ?? undefined;

/** Keeps a token that was given, and with it the key to kill, if there is one. */
export const keepGiven = ({ token, kill }: Given): void => {
  keepAccessToken(token);
  keepKillKey(kill);
};

/** The token that the address brings, if it does. No credential is in the address bar for longer than this function runs. */
export const takeAccessToken = (): string | undefined => {
  const { token, kill, ...place } = parseFragment(location.hash);
  if (token === undefined) return undefined;
  keepGiven({ token, kill });
  history.replaceState(null, '', `${location.pathname}${location.search}${fragmentOf(place)}`);
  return token;
};

/** The token in what a person pasted, which may be a whole link. */
export const tokenIn = (text: string): string =>
  text
    .trim()
    .replace(/^.*#token=/, '')
    .replace(/&.*$/, '');

export const keepAccessToken = (token: string): void => sessionStorage.setItem(KEY, token);

export const dropAccessToken = (): void => {
  sessionStorage.removeItem(KEY);
  dropKillKey();
};

/** What a token without scopes allows (PROTOCOL.md, 1.2). */
const DEFAULT_SCOPES = ['read', 'prompt', 'cancel', 'signal'];

/**
 * What a token says of its bearer, for what the page offers. Nobody has checked it here; the edge does, at every step.
 */
const scopesOf = (token: string): readonly string[] => {
  try {
    const payload = token.split('.')[1] ?? '';
    const { scope } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as {
      scope?: unknown;
    };
    return typeof scope === 'string' ? scope.split(' ') : DEFAULT_SCOPES;
  } catch {
    // No JWT that we can read: then there is nothing to offer.
    return [];
  }
};

export const isAdmin = (token: string): boolean => scopesOf(token).includes('admin');

/** Whether others may be told that somebody types here. */
export const maySignal = (token: string): boolean => scopesOf(token).includes('signal');
