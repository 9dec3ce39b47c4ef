import { isId } from '@sluice/protocol';

export type View = 'chat' | 'operations';

/**
 * The page's address: everything is in the fragment, which browsers never send to a server.
 * `#token=<jwt>` signs in, and so does `#code=<port>.<code>` of `sluice up`; `kill=<port>.<token>` kills its processes. They
 * are removed at once.
 * `#session=<id>` names the conversation, `view=operations` shows the dashboard in its place.
 */
export type Address = {
  readonly token: string | undefined;
  /** exchanged for a token once */
  readonly code: string | undefined;
  /** of the demo's kill switch */
  readonly kill: string | undefined;
  readonly session: string | undefined;
  readonly view: View;
};

export const parseFragment = (fragment: string): Address => {
  const params = new URLSearchParams(fragment.replace(/^#/, ''));
  const token = params.get('token') ?? '';
  const session = params.get('session') ?? '';
  const kill = params.get('kill') ?? '';
  const code = params.get('code') ?? '';
  return {
    token: token === '' ? undefined : token,
    code: code === '' ? undefined : code,
    kill: kill === '' ? undefined : kill,
    session: isId(session) ? session : undefined,
    view: params.get('view') === 'operations' ? 'operations' : 'chat',
  };
};

export const fragmentOf = ({ session, view }: Pick<Address, 'session' | 'view'>): string => {
  const params = [
    ...(session === undefined ? [] : [`session=${session}`]),
    ...(view === 'chat' ? [] : [`view=${view}`]),
  ];
  return params.length === 0 ? '' : `#${params.join('&')}`;
};

/**
 * Back, a link and the address bar: a new fragment is told by one event, the other, or both.
 * @returns the function that removes the listener
 */
export const onAddressChange = (listener: () => void): (() => void) => {
  addEventListener('popstate', listener);
  addEventListener('hashchange', listener);
  return () => {
    removeEventListener('popstate', listener);
    removeEventListener('hashchange', listener);
  };
};

export const sessionFragment = (session: string): string => fragmentOf({ session, view: 'chat' });

/** What is handed to somebody else: names the session and carries no credential. */
export const shareLink = (session: string): string => {
  const url = new URL(location.href);
  url.hash = sessionFragment(session);
  return url.href;
};

/** The edge this page talks to: where it came from, unless the host of the page names another one. */
export const edgeUrl = (): string => {
  const named = document.querySelector<HTMLMetaElement>('meta[name="sluice-edge"]')?.content ?? '';
  return named === '' ? location.origin : named;
};
