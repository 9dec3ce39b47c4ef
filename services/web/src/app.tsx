import { useCallback, useEffect, useState } from 'react';
import { dropAccessToken, keepAccessToken, takeAccessToken } from './access-token.ts';
import { openConnection } from './link/web-connection.ts';
import type { WebConnection } from './link/web-connection.ts';
import { SignIn } from './sign-in.tsx';
import { Workspace } from './workspace.tsx';

const CREDENTIAL = 4401;

/** Signed out, or one connection and what is done over it. */
export const App = () => {
  const [token, setToken] = useState(takeAccessToken);
  const [refusal, setRefusal] = useState<string>();
  const [connection, setConnection] = useState<WebConnection>();

  useEffect(() => {
    // A link with a token that is opened in this very tab changes only the fragment.
    const look = (): void => setToken(takeAccessToken());
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, []);

  const signOut = useCallback((reason?: string) => {
    dropAccessToken();
    setRefusal(reason);
    setToken(undefined);
  }, []);

  useEffect(() => {
    if (token === undefined) return undefined;
    const opened = openConnection(token);
    setConnection(opened);
    const remove = opened.client.on('status', (status) => {
      if (status.type === 'closed' && status.code === CREDENTIAL) signOut(refusalWords(status.reason));
    });
    return () => {
      remove();
      setConnection(undefined);
      opened.close();
    };
  }, [token, signOut]);

  const signIn = (entered: string): void => {
    keepAccessToken(entered);
    setRefusal(undefined);
    setToken(entered);
  };
  if (token === undefined) return <SignIn refusal={refusal} onToken={signIn} />;
  return connection === undefined ? null : <Workspace connection={connection} onSignOut={() => signOut()} />;
};

const refusalWords = (reason: string): string =>
  `The server did not accept this token${reason === '' ? '' : ` (${reason})`}. It may have expired: ask for a new one.`;
