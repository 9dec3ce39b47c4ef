import type { EdgeReport, WorkerReport } from '@sluice/protocol';
import { isLive } from './fleet.ts';
import { count } from './numbers.ts';
import type { Source } from './source.ts';

type Props<Report extends EdgeReport | WorkerReport> = {
  readonly sources: readonly Source<Report>[];
  readonly now: number;
};

const Name = ({ name, isHere }: { readonly name: string; readonly isHere: boolean }) => (
  <th scope="row">
    <span className={isHere ? 'dot' : 'dot gone'} aria-hidden="true" />
    {name}
    {!isHere && <span className="silent"> silent</span>}
  </th>
);

/** How full a worker is; an org that is not told the number of slots sees its own runs only. */
const Slots = ({ running, slots }: Pick<WorkerReport, 'running' | 'slots'>) => {
  if (slots === undefined) return <>{count(running)}</>;
  return (
    <span className="slots">
      <meter className="visually-hidden" min={0} max={slots} value={running} aria-label="Slots taken" />
      <span className="gauge-track" aria-hidden="true">
        <span
          className={running >= slots ? 'gauge-fill full' : 'gauge-fill'}
          style={{ width: `${(running / slots) * 100}%` }}
        />
      </span>
      {running} / {slots}
    </span>
  );
};

export const WorkerTable = ({ sources, now }: Props<WorkerReport>) => (
  <div className="table-frame" tabIndex={0} role="region" aria-label="Workers">
    <table>
      <caption>Workers</caption>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Slots</th>
          <th scope="col">Paused</th>
          <th scope="col">Parked</th>
          <th scope="col">Tokens/s</th>
        </tr>
      </thead>
      <tbody>
        {sources.map((source) => (
          <tr key={source.report.name}>
            <Name name={source.report.name} isHere={isLive(source, now)} />
            <td>
              <Slots {...source.report} />
            </td>
            <td>{count(source.report.paused)}</td>
            <td>{count(source.report.parked)}</td>
            <td>{count(source.rate)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);

export const EdgeTable = ({ sources, now }: Props<EdgeReport>) => (
  <div className="table-frame" tabIndex={0} role="region" aria-label="Edges">
    <table>
      <caption>Edges</caption>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Connections</th>
          <th scope="col">Viewers</th>
          <th scope="col">Un-acked</th>
          <th scope="col">Tokens/s</th>
        </tr>
      </thead>
      <tbody>
        {sources.map((source) => (
          <tr key={source.report.name}>
            <Name name={source.report.name} isHere={isLive(source, now)} />
            <td>{count(source.report.connections)}</td>
            <td>{count(source.report.viewers)}</td>
            <td>{count(source.report.unacked)}</td>
            <td>{count(source.rate)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);

type CountsProps = {
  readonly title: string;
  readonly none: string;
  readonly counts: Readonly<Record<string, number>>;
};

/** Counts by name, the largest first. */
export const CountList = ({ title, none, counts }: CountsProps) => {
  const rows = Object.entries(counts).sort(([, left], [, right]) => right - left);
  return (
    <section className="count-list" aria-label={title}>
      <h3>{title}</h3>
      {rows.length === 0 && <p className="nothing">{none}</p>}
      <dl>
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name.replaceAll('_', ' ')}</dt>
            <dd>{count(value)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
};
