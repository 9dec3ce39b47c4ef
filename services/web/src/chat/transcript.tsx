import { useCallback, useEffect, useState } from 'react';
import type { SessionStore } from '../session/session-store.ts';
import { isRepeat } from '../session/turns.ts';
import { useStore } from '../use-store.ts';
import { DownIcon } from './icons.tsx';
import { useStickToEnd } from './stick-to-end.ts';
import { PendingTurn, Turn } from './turn.tsx';
import { Welcome } from './welcome.tsx';

/** So many turns are shown at first, and more on request. */
const PAGE = 40;

type Props = {
  readonly store: SessionStore;
  readonly me: string;
  readonly onAsk: (text: string) => void;
  readonly onAgain: (id: string) => void;
};

/** The conversation. */
export const Transcript = ({ store, me, onAsk, onAgain }: Props) => {
  const { phase, refusal, items, pending, states } = useStore(store, (snapshot) => snapshot);
  const [shown, setShown] = useState(PAGE);
  const { scroller, content, isAtEnd, toEnd } = useStickToEnd();
  const retry = useCallback((id: string) => store.retry(id), [store]);
  const load = useCallback((id: string) => store.load(id), [store]);
  const discard = useCallback((id: string) => store.discard(id), [store]);
  const first = Math.max(0, items.length - shown);
  const isEmpty = items.length === 0 && pending.length === 0;
  useEffect(() => {
    // What one sends oneself one wants to see.
    if (pending.length > 0) toEnd();
  }, [pending.length, toEnd]);
  return (
    <div className="transcript-frame">
      <div
        className="transcript"
        ref={scroller}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label="Conversation"
      >
        <div className="turns" ref={content}>
          {refusal !== undefined && (
            <p className="refusal" role="alert">
              {phase === 'refused' ? 'This session cannot be shown' : 'This session may be out of date'}:{' '}
              {refusal}
            </p>
          )}
          {phase === 'loading' && isEmpty && <p className="loading">Loading the conversation…</p>}
          {phase === 'ready' && isEmpty && <Welcome onAsk={onAsk} />}
          {first > 0 && (
            <button type="button" className="button quiet" onClick={() => setShown(shown + PAGE)}>
              Show earlier turns
            </button>
          )}
          {items.slice(first).map((item, index) => (
            <Turn
              key={item.id}
              item={item}
              me={me}
              isRepeat={isRepeat(item, items[first + index - 1])}
              state={states.get(item.id)}
              onAgain={onAgain}
              onLoad={load}
            />
          ))}
          {pending.map((prompt) => (
            <PendingTurn key={prompt.id} pending={prompt} me={me} onRetry={retry} onDiscard={discard} />
          ))}
        </div>
      </div>
      {!isAtEnd && (
        <button type="button" className="to-end" onClick={toEnd} aria-label="To the newest words">
          <DownIcon />
        </button>
      )}
    </div>
  );
};
