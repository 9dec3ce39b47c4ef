import { sessionFragment } from '../address.ts';
import type { WebConnection } from '../link/web-connection.ts';
import { useStore } from '../use-store.ts';
import { HoldButtons } from './hold-buttons.tsx';
import type { Probe } from './probe.ts';

const DOWN_MS = 5_000;

type Props = {
  readonly connection: WebConnection;
  readonly probe: Probe;
  readonly session: string;
};

/** What one can do to this tab's connection. */
export const FaultsForm = ({ connection: { link, tap }, probe, session }: Props) => {
  const { isUp } = useStore(tap, (state) => state);
  const cut = (downMs: number): void => {
    probe.did(downMs === 0 ? 'You cut the connection' : `You cut the connection for ${downMs / 1_000} s`);
    tap.cut(downMs);
  };
  const second = (): void => {
    probe.did('You open a second viewer');
    // The new tab gets a copy of this one's sessionStorage, hence its credential, and no way back here.
    const opened = open(`${location.pathname}${sessionFragment(session)}`, '_blank');
    if (opened !== null) opened.opener = null;
  };
  return (
    <div className="faults" role="group" aria-label="Faults of this tab's connection">
      <button type="button" className="button" onClick={() => cut(0)}>
        Cut the connection
      </button>
      <button type="button" className="button" disabled={!isUp} onClick={() => cut(DOWN_MS)}>
        {isUp ? 'Cut it for 5 s' : 'Network is down…'}
      </button>
      <HoldButtons link={link} tap={tap} probe={probe} />
      <button type="button" className="button wide" onClick={second}>
        Open a second viewer
      </button>
    </div>
  );
};
