import { sessionFragment } from '../address.ts';
import type { LinkTap } from '../link/link-tap.ts';
import { useStore } from '../use-store.ts';
import type { Probe } from './probe.ts';

const DOWN_MS = 5_000;
const SLOW_MS = 500;

type Props = { readonly tap: LinkTap; readonly probe: Probe; readonly session: string };

/** What one can do to this tab's connection. */
export const FaultsForm = ({ tap, probe, session }: Props) => {
  const { isUp, acksHeld, frameIntervalMs } = useStore(tap, (state) => state);
  const isSlow = frameIntervalMs > 0;
  const cut = (downMs: number): void => {
    probe.did(downMs === 0 ? 'You cut the connection' : `You cut the connection for ${downMs / 1_000} s`);
    tap.cut(downMs);
  };
  const hold = (): void => {
    probe.did(acksHeld ? 'You ack again' : 'You stop acking');
    if (acksHeld) tap.releaseAcks();
    else tap.holdAcks();
  };
  const slow = (): void => {
    probe.did(isSlow ? 'You read at full speed' : 'You read two frames a second');
    tap.pace(isSlow ? 0 : SLOW_MS);
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
      <button type="button" className="button" aria-pressed={acksHeld} onClick={hold}>
        {acksHeld ? 'Ack again' : 'Stop acking'}
      </button>
      <button type="button" className="button" aria-pressed={isSlow} onClick={slow}>
        {isSlow ? 'Read at full speed' : 'Read slowly'}
      </button>
      <button type="button" className="button wide" onClick={second}>
        Open a second viewer
      </button>
    </div>
  );
};
