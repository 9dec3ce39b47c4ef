import { useCallback, useEffect, useState } from 'react';
import type { WebConnection } from '../link/web-connection.ts';
import { newId } from '../new-id.ts';
import type { SessionStore } from '../session/session-store.ts';
import { isOpen, titleOf } from '../session/turns.ts';
import { useStore } from '../use-store.ts';
import { Announcer } from './announcer.tsx';
import { Composer } from './composer.tsx';
import { TopBar } from './top-bar.tsx';
import { Transcript } from './transcript.tsx';
import { TypingLine } from './typing-line.tsx';

type Props = {
  readonly connection: WebConnection;
  readonly store: SessionStore;
  readonly me: string;
  readonly onTitle: (title: string) => void;
  readonly onMenu: () => void;
};

/** One session, from its title to the field one writes in. */
export const Conversation = ({ connection, store, me, onTitle, onMenu }: Props) => {
  const { items, pending, viewers, typists } = useStore(store, (snapshot) => snapshot);
  const [isProving, setIsProving] = useState(false);
  const [problem, setProblem] = useState<string>();
  const first = items[0];
  const title = titleOf(
    first === undefined ? (pending[0]?.input ?? '') : first.kind === 'message' ? first.text : first.input,
  );
  useEffect(() => {
    document.title = title === '' ? 'Sluice' : `${title} · Sluice`;
    if (title !== '') onTitle(title);
    // `onTitle` is another function at each render; what matters is the title.
  }, [title]);
  const ask = useCallback((input: string) => store.ask({ generation: newId(), input }), [store]);
  const again = useCallback((id: string) => store.regenerate(id), [store]);
  const open = items.findLast(isOpen);
  const tell = (error: unknown): void => setProblem(error instanceof Error ? error.message : String(error));
  return (
    <main className="conversation">
      <TopBar
        title={title === '' ? 'New chat' : title}
        me={me}
        link={connection.link}
        store={store}
        isProving={isProving}
        onMenu={onMenu}
        onProve={() => setIsProving(!isProving)}
      />
      <Transcript store={store} me={me} onAsk={ask} onAgain={again} />
      <Announcer store={store} />
      <div className="composer-area">
        <TypingLine typists={typists} />
        {problem !== undefined && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <Composer
          session={store.id}
          isRunning={open !== undefined}
          hasCompany={viewers > 1}
          onAsk={ask}
          onNote={(text) => void store.note(text).catch(tell)}
          onStop={() => {
            if (open !== undefined) store.stop(open.id).catch(tell);
          }}
          onTyping={() => store.roster.typing()}
        />
      </div>
    </main>
  );
};
