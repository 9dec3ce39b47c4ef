import { useCallback, useEffect, useState } from 'react';
import { CLOSE_CODES } from '@sluice/protocol';
import {
  dropAccessToken,
  keepAccessToken,
  keepGiven,
  keptAccessToken,
  takeAccessToken,
} from './access-token.ts';
import { onAddressChange } from './address.ts';
import { openConnection } from './link/web-connection.ts';
import type { WebConnection } from './link/web-connection.ts';
import type { Given } from './sign-in-code.ts';
import { SignIn } from './sign-in.tsx';
import { fetchToken, tokenUrl } from './token-keeper.ts';
import { useSignInCode } from './use-sign-in-code.ts';
import { Workspace } from './workspace.tsx';

const SIGNED_OUT = 'You have signed out. Reload the page to sign in again.';

/** The connection of a token; one that is refused signs out. */
const useConnection = (
  token: string | undefined,
  signOut: (reason: string) => void,
): WebConnection | undefined => {
  const [connection, setConnection] = useState<WebConnection>();
  useEffect(() => {
    if (token === undefined) return undefined;
    const opened = openConnection(token);
    setConnection(opened);
    const remove = opened.client.on('status', (status) => {
      if (status.type === 'closed' && status.code === CLOSE_CODES.credential)
        signOut(refusalWords(status.reason));
    });
    // Asked for another one before the first was ever of use: that one is refused.
    const removeWanted = opened.keeper.subscribe(() => {
      if (opened.keeper.snapshot() && opened.client.ready === undefined) signOut(refusalWords(''));
    });
    return () => {
      remove();
      removeWanted();
      setConnection(undefined);
      opened.close();
    };
  }, [token, signOut]);
  return connection;
};

/** Signed out, or one connection and what is done over it. */
export const App = () => {
  const [token, setToken] = useState(() => takeAccessToken() ?? keptAccessToken());
  const [refusal, setRefusal] = useState<string>();
  const onGiven = useCallback((given: Given) => {
    keepGiven(given);
    setToken(given.token);
  }, []);
  const [isRedeeming, takeCode] = useSignInCode({ onGiven, onProblem: setRefusal });

  // A link with a token that is opened in this very tab changes only the fragment. This listens before `usePlace`
  // does, which removes from the address what it does not know.
  useEffect(
    () =>
      onAddressChange(() => {
        const brought = takeAccessToken();
        if (brought !== undefined) setToken(brought);
      }),
    [],
  );

  const signOut = useCallback((reason?: string) => {
    dropAccessToken();
    setRefusal(reason);
    setToken(undefined);
  }, []);

  const connection = useConnection(token, signOut);

  useEffect(() => {
    const url = tokenUrl();
    // Having signed out, or been refused, one is not signed in again behind one's back.
    if (url === undefined || token !== undefined || isRedeeming || refusal !== undefined) return;
    fetchToken(url).then(
      (fetched) => {
        keepAccessToken(fetched);
        setToken(fetched);
      },
      (error: Error) => setRefusal(error.message),
    );
  }, [token, isRedeeming, refusal]);

  const signIn = (entered: string): void => {
    setRefusal(undefined);
    if (takeCode(entered)) return;
    keepAccessToken(entered);
    setToken(entered);
  };
  if (token === undefined && isRedeeming) return null;
  if (token === undefined) return <SignIn refusal={refusal} onToken={signIn} />;
  return connection === undefined ? null : (
    <Workspace
      connection={connection}
      onSignOut={() => signOut(tokenUrl() === undefined ? undefined : SIGNED_OUT)}
    />
  );
};

const refusalWords = (reason: string): string =>
  `The server did not accept this token${reason === '' ? '' : ` (${reason})`}. It may have expired: ask for a new one.`;
