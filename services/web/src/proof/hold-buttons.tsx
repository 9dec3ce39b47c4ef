import { useId } from 'react';
import type { WebConnection } from '../link/web-connection.ts';
import { useStore } from '../use-store.ts';
import type { Probe } from './probe.ts';

const SLOW_MS = 500;

type Props = Pick<WebConnection, 'link' | 'tap'> & { readonly probe: Probe };

/** Holds back acks, or frames: on a WebSocket only, since over HTTP frames are numbered on their way. */
export const HoldButtons = ({ link, tap, probe }: Props) => {
  const { acksHeld, frameIntervalMs } = useStore(tap, (state) => state);
  const isSlow = frameIntervalMs > 0;
  const isOverHttp = useStore(
    link,
    ({ status }) => status.type === 'live' && status.transport !== 'websocket',
  );
  const reason = useId();
  const describedBy = isOverHttp ? reason : undefined;
  const hold = (): void => {
    probe.did(acksHeld ? 'You ack again' : 'You stop acking');
    if (acksHeld) tap.releaseAcks();
    else tap.holdAcks();
  };
  const slow = (): void => {
    probe.did(isSlow ? 'You read at full speed' : 'You read two frames a second');
    tap.pace(isSlow ? 0 : SLOW_MS);
  };
  const button = { type: 'button', className: 'button', 'aria-describedby': describedBy } as const;
  return (
    <>
      <button {...button} aria-pressed={acksHeld} disabled={isOverHttp && !acksHeld} onClick={hold}>
        {acksHeld ? 'Ack again' : 'Stop acking'}
      </button>
      <button {...button} aria-pressed={isSlow} disabled={isOverHttp && !isSlow} onClick={slow}>
        {isSlow ? 'Read at full speed' : 'Read slowly'}
      </button>
      {isOverHttp && (
        <p className="wide reason" id={reason}>
          Acks and frames can be held back on a WebSocket only; this connection has none.
        </p>
      )}
    </>
  );
};
