import { useState } from 'react';
import type { SessionStore } from '../session/session-store.ts';
import { isOpen } from '../session/turns.ts';
import { useStore } from '../use-store.ts';
import { keptKillSwitch } from './kill-switch.ts';
import type { KillSwitch } from './kill-switch.ts';
import type { Probe } from './probe.ts';

type Props = { readonly store: SessionStore; readonly probe: Probe };

/** The worker that runs this session's newest answer; undefined until it has said so, which takes a second. */
const useWorker = ({ store, probe }: Props): string | undefined => {
  const running = useStore(store, ({ items }) =>
    items.filter(isOpen).findLast(({ status }) => status === 'running'),
  );
  return useStore(probe, ({ progress }) =>
    progress?.generation === running?.id && progress?.attempt === running?.attempt
      ? progress?.worker
      : undefined,
  );
};

const Buttons = ({ store, probe, kill }: Props & { readonly kill: KillSwitch }) => {
  const refusal = useStore(kill, (current) => current);
  const worker = useWorker({ store, probe });
  const killEdge = (): void => {
    probe.did('You kill the edge that serves this tab');
    void kill.kill('edge');
  };
  const killWorker = (): void => {
    if (worker === undefined) return;
    probe.did('You kill the worker that writes this answer');
    void kill.kill(`workers/${worker}`);
  };
  return (
    <div className="faults" role="group" aria-label="Processes at the server">
      <button type="button" className="button danger" onClick={killEdge}>
        Kill the edge
      </button>
      <button type="button" className="button danger" disabled={worker === undefined} onClick={killWorker}>
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

/** Kill -9 of what `sluice up` runs, for who came by its link. Everybody else sees nothing here. */
export const KillForm = ({ store, probe }: Props) => {
  const [kill] = useState(keptKillSwitch);
  return kill === undefined ? null : <Buttons store={store} probe={probe} kill={kill} />;
};
