import { useCallback, useEffect, useState } from 'react';
import { parseFragment, sessionFragment } from './address.ts';
import { newId } from './new-id.ts';

const current = (): string => {
  const { session } = parseFragment(location.hash);
  if (session !== undefined) return session;
  const fresh = newId();
  history.replaceState(null, '', sessionFragment(fresh));
  return fresh;
};

/** The session the address names, and the function that goes to another one; Back works. */
export const useSessionAddress = (): readonly [string, (session: string) => void] => {
  const [session, setSession] = useState(current);
  useEffect(() => {
    const look = (): void => setSession(current());
    addEventListener('popstate', look);
    addEventListener('hashchange', look);
    return () => {
      removeEventListener('popstate', look);
      removeEventListener('hashchange', look);
    };
  }, []);
  const go = useCallback((next: string) => {
    history.pushState(null, '', sessionFragment(next));
    setSession(next);
  }, []);
  return [session, go];
};
