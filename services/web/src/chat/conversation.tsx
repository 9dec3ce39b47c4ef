import { useCallback, useEffect, useRef, useState } from 'react';
import { newId } from '@sluice/client';
import type { WebConnection } from '../link/web-connection.ts';
import { NATURAL, paramsFor } from '../proof/next-answer.tsx';
import { Probe } from '../proof/probe.ts';
import { ProofPanel } from '../proof/proof-panel.tsx';
import type { SessionSnapshot, SessionStore } from '../session/session-store.ts';
import { useModels } from '../session/models.ts';
import { titleOf } from '../session/turns.ts';
import { useStore } from '../use-store.ts';
import { Announcer } from './announcer.tsx';
import { ComposerArea } from './composer-area.tsx';
import { TopBar } from './top-bar.tsx';
import { Transcript } from './transcript.tsx';

type Props = {
  readonly connection: WebConnection;
  readonly store: SessionStore;
  readonly me: string;
  readonly onTitle: (title: string) => void;
  readonly onMenu: () => void;
};

/** The session's first words. */
const titleIn = ({ items: [first], pending }: SessionSnapshot): string => {
  if (first === undefined) return titleOf(pending[0]?.input ?? '');
  return titleOf(first.kind === 'message' ? first.text : first.input);
};

const useTitle = (title: string, onTitle: (title: string) => void): void => {
  const tell = useRef(onTitle);
  tell.current = onTitle;
  useEffect(() => {
    document.title = title === '' ? 'Sluice' : `${title} · Sluice`;
    if (title !== '') tell.current(title);
  }, [title]);
};

/** Listens for as long as the session is open, so that the panel knows what was before it was opened. */
const useProbe = (store: SessionStore, connection: WebConnection): Probe | undefined => {
  const [probe, setProbe] = useState<Probe>();
  useEffect(() => {
    const opened = new Probe(store, connection);
    setProbe(opened);
    return () => opened.close();
  }, [store, connection]);
  return probe;
};

/** One session, from its title to the field one writes in. */
export const Conversation = ({ connection, store, me, onTitle, onMenu }: Props) => {
  const title = useStore(store, titleIn);
  const probe = useProbe(store, connection);
  const [isProving, setIsProving] = useState(false);
  const [next, setNext] = useState(NATURAL);
  const choice = useModels(connection);
  useTitle(title, onTitle);
  const params = paramsFor(next);
  const { model } = choice;
  const extra = { ...(params === undefined ? {} : { params }), ...(model === undefined ? {} : { model }) };
  const ask = (input: string): void => store.ask({ generation: newId(), input, ...extra });
  const again = useCallback((id: string) => store.regenerate(id, paramsFor(next)), [store, next]);
  return (
    <main className={isProving ? 'conversation proving' : 'conversation'}>
      <TopBar
        title={title === '' ? 'New chat' : title}
        me={me}
        connection={connection}
        store={store}
        isProving={isProving}
        onMenu={onMenu}
        onProve={() => setIsProving(!isProving)}
      />
      <Transcript store={store} me={me} onAsk={ask} onAgain={again} />
      <Announcer store={store} />
      <ComposerArea store={store} choice={choice} onAsk={ask} />
      {isProving && probe !== undefined && (
        <ProofPanel
          probe={probe}
          connection={connection}
          store={store}
          next={next}
          onNext={setNext}
          onClose={() => setIsProving(false)}
        />
      )}
    </main>
  );
};
