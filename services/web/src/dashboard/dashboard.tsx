import { useEffect, useState } from 'react';
import { MenuIcon } from '../chat/icons.tsx';
import { StatusChip } from '../chat/status-chip.tsx';
import type { WebConnection } from '../link/web-connection.ts';
import { useStore } from '../use-store.ts';
import { Charts } from './charts.tsx';
import { CountList, EdgeTable, WorkerTable } from './process-tables.tsx';
import { RunList } from './run-list.tsx';
import { StatsStore } from './stats-store.ts';
import type { Scope } from './stats-store.ts';
import { Tiles } from './tiles.tsx';
import 'uplot/dist/uPlot.min.css';
import '../styles/dashboard.css';

type Props = { readonly connection: WebConnection; readonly onMenu: () => void };

const useStats = ({ client }: WebConnection, scope: Scope): StatsStore | undefined => {
  const [store, setStore] = useState<StatsStore>();
  useEffect(() => {
    const opened = new StatsStore(client, scope);
    setStore(opened);
    return () => opened.close();
  }, [client, scope]);
  return store?.scope === scope ? store : undefined;
};

const Figures = ({ store, onRefused }: { readonly store: StatsStore; readonly onRefused: () => void }) => {
  const snapshot = useStore(store, (current) => current);
  const { refusal, moment, history, edges, workers, totals, runs, made, now } = snapshot;
  const isRefused = refusal !== undefined;
  useEffect(() => {
    if (isRefused) onRefused();
  }, [isRefused, onRefused]);
  if (isRefused)
    return (
      <p className="refusal" role="alert">
        These figures cannot be shown: {refusal}
      </p>
    );
  return (
    <>
      {moment === undefined && <p className="loading">Waiting for the first reports…</p>}
      <Tiles {...snapshot} />
      <Charts history={history} />
      <div className="process-tables">
        <WorkerTable sources={workers} now={now} />
        <EdgeTable sources={edges} now={now} />
      </div>
      <div className="count-lists">
        <CountList title="How generations ended" none="None has ended." counts={totals.ends} />
        <CountList title="Errors by code" none="None. Good." counts={totals.errors} />
      </div>
      <RunList runs={runs} now={Date.now()} made={made} hasOrg={store.scope === 'system'} />
    </>
  );
};

/** What the system does, as edges and workers report it. Operators see all orgs, other admins their own. */
export const Dashboard = ({ connection, onMenu }: Props) => {
  const org = useStore(connection.link, () => connection.client.ready?.org ?? '');
  const [scope, setScope] = useState<Scope>('system');
  const [isOperator, setIsOperator] = useState(true);
  const store = useStats(connection, scope);
  useEffect(() => {
    document.title = 'Operations · Sluice';
  }, []);
  const [refused] = useState(() => () => {
    // Only operators may see everything: then it is one's own org.
    setIsOperator(false);
    setScope('org');
  });
  const scopes: readonly (readonly [Scope, string])[] = [
    ['system', 'All orgs'],
    ['org', org === '' ? 'Own org' : org],
  ];
  return (
    <main className="operations">
      <header className="top-bar">
        <button type="button" className="icon-button menu-button" aria-label="Sessions" onClick={onMenu}>
          <MenuIcon />
        </button>
        <div className="heading">
          <h1>Operations</h1>
          <StatusChip link={connection.link} keeper={connection.keeper} />
        </div>
        {isOperator ? (
          <div className="scopes" role="group" aria-label="Whose figures">
            {scopes.map(([value, name]) => (
              <button
                key={value}
                type="button"
                className="button small quiet"
                aria-pressed={scope === value}
                onClick={() => setScope(value)}
              >
                {name}
              </button>
            ))}
          </div>
        ) : (
          <p className="scope-name">{org}</p>
        )}
      </header>
      <div className="board" tabIndex={0} role="region" aria-label="Figures">
        <div className="board-inner">
          {store !== undefined && <Figures store={store} onRefused={refused} />}
        </div>
      </div>
    </main>
  );
};
