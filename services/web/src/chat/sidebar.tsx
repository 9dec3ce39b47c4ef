import { useState } from 'react';
import type { KnownSession, KnownSessions } from '../session/known-sessions.ts';
import { applyTheme, nextTheme, savedTheme } from '../theme.ts';
import { useStore } from '../use-store.ts';
import { ChartIcon, CloseIcon, LeaveIcon, Logo, PlusIcon, ThemeIcon } from './icons.tsx';
import { Avatar } from './people.tsx';

type Props = {
  readonly known: KnownSessions;
  /** the session that is shown; undefined on the dashboard */
  readonly current: string | undefined;
  readonly me: string;
  readonly onOpen: (session: string) => void;
  readonly onNew: () => void;
  /** undefined: not for this person */
  readonly onOperations: (() => void) | undefined;
  readonly onSignOut: () => void;
};

type EntryProps = {
  readonly session: KnownSession;
  readonly isCurrent: boolean;
  readonly onOpen: (session: string) => void;
  readonly onForget: (session: string) => void;
};

const Entry = ({ session: { id, title }, isCurrent, onOpen, onForget }: EntryProps) => {
  const name = title === '' ? 'New chat' : title;
  return (
    <li className={isCurrent ? 'entry current' : 'entry'}>
      <button
        type="button"
        className="entry-open"
        aria-current={isCurrent ? 'page' : undefined}
        title={name}
        onClick={() => onOpen(id)}
      >
        <bdi>{name}</bdi>
      </button>
      {!isCurrent && (
        <button
          type="button"
          className="entry-forget"
          aria-label={`Take “${name}” off this list`}
          onClick={() => onForget(id)}
        >
          <CloseIcon />
        </button>
      )}
    </li>
  );
};

/** Who is signed in, the colours, and the way out. */
const Account = ({ me, onSignOut }: Pick<Props, 'me' | 'onSignOut'>) => {
  const [theme, setTheme] = useState(savedTheme);
  const changeTheme = (): void => {
    const next = nextTheme(theme);
    applyTheme(next);
    setTheme(next);
  };
  return (
    <div className="account">
      <Avatar user={me} />
      <bdi className="account-name">{me}</bdi>
      <button
        type="button"
        className="icon-button"
        aria-label={`Colours: ${theme}. Change`}
        title={`Colours: ${theme}`}
        onClick={changeTheme}
      >
        <ThemeIcon />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label="Sign out"
        title="Sign out"
        onClick={onSignOut}
      >
        <LeaveIcon />
      </button>
    </div>
  );
};

/** The sessions of this browser, and who is signed in. */
export const Sidebar = (props: Props) => {
  const { known, current, me, onOpen, onNew, onOperations, onSignOut } = props;
  const sessions = useStore(known, (snapshot) => snapshot);
  return (
    <div className="sidebar-inner">
      <div className="brand">
        <Logo />
        <span>Sluice</span>
      </div>
      <button type="button" className="button new-chat" onClick={onNew}>
        <PlusIcon />
        New chat
      </button>
      <nav aria-label="Sessions">
        <ul className="entries">
          {sessions.map((session) => (
            <Entry
              key={session.id}
              session={session}
              isCurrent={session.id === current}
              onOpen={onOpen}
              onForget={(id) => known.forget(id)}
            />
          ))}
        </ul>
      </nav>
      {onOperations !== undefined && (
        <button
          type="button"
          className="button quiet operations-button"
          aria-current={current === undefined ? 'page' : undefined}
          onClick={onOperations}
        >
          <ChartIcon />
          Operations
        </button>
      )}
      <Account me={me} onSignOut={onSignOut} />
    </div>
  );
};
