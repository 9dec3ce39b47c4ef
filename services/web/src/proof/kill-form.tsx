import { useEffect, useState } from 'react';
import type { WebConnection } from '../link/web-connection.ts';
import type { SessionStore } from '../session/session-store.ts';
import { isOpen } from '../session/turns.ts';
import { useStore } from '../use-store.ts';
import { KillSwitch } from './kill-switch.ts';
import type { Probe } from './probe.ts';

type Props = { readonly connection: WebConnection; readonly store: SessionStore; readonly probe: Probe };

const Buttons = ({ store, probe, kill }: Omit<Props, 'connection'> & { readonly kill: KillSwitch }) => {
  const { isArmed, refusal } = useStore(kill, (state) => state);
  const generation = useStore(
    store,
    ({ items }) => items.findLast((item) => isOpen(item) && item.status === 'running')?.id,
  );
  if (!isArmed) return null;
  const killEdge = (): void => {
    probe.did('You kill the edge that serves this tab');
    kill.order({ kill: 'edge' });
  };
  const killWorker = (): void => {
    if (generation === undefined) return;
    probe.did('You kill the worker that writes this answer');
    kill.order({ kill: 'worker', session: store.id, generation });
  };
  return (
    <div className="faults" role="group" aria-label="Processes at the server">
      <button type="button" className="button danger" onClick={killEdge}>
        Kill the edge
      </button>
      <button
        type="button"
        className="button danger"
        disabled={generation === undefined}
        onClick={killWorker}
      >
        Kill the worker
      </button>
      {refusal !== undefined && (
        <p className="problem wide" role="alert">
          {refusal}
        </p>
      )}
    </div>
  );
};

/** Kill -9 at the server, for admins of a demo. Everybody else sees nothing here. */
export const KillForm = ({ connection, store, probe }: Props) => {
  const { client, isAdmin } = connection;
  const [kill, setKill] = useState<KillSwitch>();
  useEffect(() => {
    if (!isAdmin) return undefined;
    const opened = new KillSwitch(client);
    setKill(opened);
    return () => opened.close();
  }, [client, isAdmin]);
  return kill === undefined ? null : <Buttons store={store} probe={probe} kill={kill} />;
};
