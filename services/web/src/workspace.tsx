import { useEffect, useRef, useState } from 'react';
import { CloseIcon } from './chat/icons.tsx';
import { Conversation } from './chat/conversation.tsx';
import { Sidebar } from './chat/sidebar.tsx';
import type { WebConnection } from './link/web-connection.ts';
import { newId } from './new-id.ts';
import { KnownSessions } from './session/known-sessions.ts';
import { SessionStore } from './session/session-store.ts';
import { useSessionAddress } from './session-address.ts';
import { useStore } from './use-store.ts';

type Props = { readonly connection: WebConnection; readonly onSignOut: () => void };

/** The store of the session in the address; another one when that changes. */
const useSessionStore = ({ client, link }: WebConnection, session: string): SessionStore | undefined => {
  const [store, setStore] = useState<SessionStore>();
  useEffect(() => {
    const opened = new SessionStore({ client, session, link });
    setStore(opened);
    return () => opened.close();
  }, [client, link, session]);
  return store?.id === session ? store : undefined;
};

/** Signed in: the list of sessions beside the one that is open. On a phone the list is a drawer. */
export const Workspace = ({ connection, onSignOut }: Props) => {
  const [session, goTo] = useSessionAddress();
  const [known] = useState(() => new KnownSessions());
  const drawer = useRef<HTMLDialogElement>(null);
  const store = useSessionStore(connection, session);
  const { client, link } = connection;
  // The name comes with the connection, so look again whenever its state changes.
  const me = useStore(link, () => client.ready?.user ?? '');
  useEffect(() => known.follow(), [known]);
  useEffect(() => known.note(session, ''), [known, session]);
  const go = (next: string): void => {
    drawer.current?.close();
    goTo(next);
  };
  const sidebar = (
    <Sidebar
      known={known}
      current={session}
      me={me}
      onOpen={go}
      onNew={() => go(newId())}
      onSignOut={onSignOut}
    />
  );
  return (
    <div className="workspace">
      <aside className="sidebar" aria-label="Sessions and account">
        {sidebar}
      </aside>
      <dialog
        className="drawer"
        ref={drawer}
        aria-label="Sessions and account"
        onClick={(event) => {
          // A click beside it, on the backdrop, hits the dialog itself.
          if (event.target === drawer.current) drawer.current.close();
        }}
      >
        <button
          type="button"
          className="icon-button drawer-close"
          aria-label="Close"
          onClick={() => drawer.current?.close()}
        >
          <CloseIcon />
        </button>
        {sidebar}
      </dialog>
      {store !== undefined && (
        <Conversation
          key={session}
          connection={connection}
          store={store}
          me={me}
          onTitle={(title) => known.note(session, title)}
          onMenu={() => drawer.current?.showModal()}
        />
      )}
    </div>
  );
};
