import { useState } from 'react';
import { shareLink } from '../address.ts';
import { copyText } from '../clipboard.ts';
import type { WebConnection } from '../link/web-connection.ts';
import type { SessionStore } from '../session/session-store.ts';
import { useStore } from '../use-store.ts';
import { MenuIcon, PulseIcon, ShareIcon } from './icons.tsx';
import { People } from './people.tsx';
import { StatusChip } from './status-chip.tsx';

const COPIED_MS = 2_000;

type Props = {
  readonly title: string;
  readonly me: string;
  readonly connection: WebConnection;
  readonly store: SessionStore;
  readonly isProving: boolean;
  readonly onMenu: () => void;
  readonly onProve: () => void;
};

/** What this session is, who is here, and how the connection does. */
export const TopBar = ({ title, me, connection, store, isProving, onMenu, onProve }: Props) => {
  const { people, viewers } = useStore(store, (snapshot) => snapshot);
  const [copied, setCopied] = useState<string>();
  const share = async (): Promise<void> => {
    const url = shareLink(store.id);
    setCopied((await copyText(url)) ? 'Link copied' : url);
    setTimeout(() => setCopied(undefined), COPIED_MS);
  };
  return (
    <header className="top-bar">
      <button type="button" className="icon-button menu-button" aria-label="Sessions" onClick={onMenu}>
        <MenuIcon />
      </button>
      <div className="heading">
        <h1 title={title} dir="auto">
          {title}
        </h1>
        <StatusChip link={connection.link} keeper={connection.keeper} />
      </div>
      <People me={me} people={people} viewers={viewers} />
      <button
        type="button"
        className="button quiet share"
        title="Copy a link to this session; whoever opens it needs a token of this org"
        onClick={() => void share()}
      >
        <ShareIcon />
        <span className="label" role="status">
          {copied ?? 'Share'}
        </span>
      </button>
      <button
        type="button"
        className="button quiet prove"
        aria-pressed={isProving}
        aria-controls={isProving ? 'proof' : undefined}
        onClick={onProve}
      >
        <PulseIcon />
        <span className="label">Prove it</span>
      </button>
    </header>
  );
};
