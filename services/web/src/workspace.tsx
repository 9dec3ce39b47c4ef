import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { newId } from '@sluice/client';
import { Conversation } from './chat/conversation.tsx';
import { Drawer } from './chat/drawer.tsx';
import { Sidebar } from './chat/sidebar.tsx';
import type { WebConnection } from './link/web-connection.ts';
import { usePlace } from './page-address.ts';
import type { Place } from './page-address.ts';
import { KnownSessions } from './session/known-sessions.ts';
import { SessionStore } from './session/session-store.ts';
import { wholeReader } from './session/whole-items.ts';
import { TokenNotice } from './token-notice.tsx';
import { useStore } from './use-store.ts';

/** Charts are for few: whoever only chats does not load them. */
const Dashboard = lazy(async () => ({ default: (await import('./dashboard/dashboard.tsx')).Dashboard }));

type Props = { readonly connection: WebConnection; readonly onSignOut: () => void };

/** The store of the session in the address; another one when that changes. */
const useSessionStore = (
  { client, link, keeper, maySignal }: WebConnection,
  session: string,
): SessionStore | undefined => {
  const [store, setStore] = useState<SessionStore>();
  useEffect(() => {
    const readWhole = wholeReader(() => keeper.current);
    const opened = new SessionStore({ client, session, link, readWhole, maySignal });
    setStore(opened);
    return () => opened.close();
  }, [client, link, keeper, maySignal, session]);
  return store?.id === session ? store : undefined;
};

/** Signed in: the list of sessions beside the one that is open. On a phone the list is a drawer. */
export const Workspace = ({ connection, onSignOut }: Props) => {
  const [{ session, view }, goTo] = usePlace();
  const isOperations = view === 'operations' && connection.isAdmin;
  const [known] = useState(() => new KnownSessions());
  const drawer = useRef<HTMLDialogElement>(null);
  const store = useSessionStore(connection, session);
  const { client, link } = connection;
  // The name comes with the connection, so look again whenever its state changes.
  const me = useStore(link, () => client.ready?.user ?? '');
  useEffect(() => known.follow(), [known]);
  useEffect(() => known.note(session, ''), [known, session]);
  const go = (next: Place): void => {
    drawer.current?.close();
    goTo(next);
  };
  const chat = (next: string): void => go({ session: next, view: 'chat' });
  const openMenu = (): void => drawer.current?.showModal();
  const sidebar = (
    <Sidebar
      known={known}
      current={isOperations ? undefined : session}
      me={me}
      onOpen={chat}
      onNew={() => chat(newId())}
      onOperations={connection.isAdmin ? () => go({ session, view: 'operations' }) : undefined}
      onSignOut={onSignOut}
    />
  );
  return (
    <div className="workspace">
      <aside className="sidebar" aria-label="Sessions and account">
        {sidebar}
      </aside>
      <TokenNotice link={connection.link} keeper={connection.keeper} />
      <Drawer dialog={drawer}>{sidebar}</Drawer>
      {isOperations && (
        <Suspense fallback={<main className="conversation" aria-busy="true" />}>
          <Dashboard connection={connection} onMenu={openMenu} />
        </Suspense>
      )}
      {!isOperations && store !== undefined && (
        <Conversation
          key={session}
          connection={connection}
          store={store}
          me={me}
          onTitle={(title) => known.note(session, title)}
          onMenu={openMenu}
        />
      )}
    </div>
  );
};
