import { useEffect, useState } from 'react';
import type { WebConnection } from '../link/web-connection.ts';
import { ACCESS_ENDED, linkWords } from '../link/link-words.ts';
import { useStore } from '../use-store.ts';

const TICK_MS = 250;

/** The connection in plain words; counts down while it waits. */
export const StatusChip = ({ link, keeper }: Pick<WebConnection, 'link' | 'keeper'>) => {
  const isTokenWanted = useStore(keeper, (wanted) => wanted);
  const { status, since, caughtUp } = useStore(link, (snapshot) => snapshot);
  const [now, setNow] = useState(since);
  const isWaiting = status.type === 'reconnecting' && status.inMs > 0;
  useEffect(() => {
    if (!isWaiting) return undefined;
    const timer = setInterval(() => setNow(performance.now()), TICK_MS);
    return () => clearInterval(timer);
  }, [isWaiting]);
  const { tone, text } =
    isTokenWanted && status.type !== 'live'
      ? ACCESS_ENDED
      : linkWords(status, Math.max(0, now - since), caughtUp);
  return (
    <>
      <p className={`status-chip ${tone}`} role="status" data-status={status.type}>
        <span className="dot" aria-hidden="true" />
        {text}
      </p>
      {status.type === 'closed' && (
        <button type="button" className="button small" onClick={() => location.reload()}>
          Connect again
        </button>
      )}
    </>
  );
};
