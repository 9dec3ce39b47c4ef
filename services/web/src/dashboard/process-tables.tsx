import type { EdgeReport, WorkerReport } from '@sluice/protocol';
import type { ReactNode } from 'react';
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

type Field<Report extends EdgeReport | WorkerReport> = {
  readonly name: string;
  readonly cell: (source: Source<Report>) => ReactNode;
};

/** A table of one kind of process, a row for each by name. */
const processTable =
  <Report extends EdgeReport | WorkerReport>(title: string, fields: readonly Field<Report>[]) =>
  ({ sources, now }: Props<Report>) => (
    <div className="table-frame" tabIndex={0} role="region" aria-label={title}>
      <table>
        <caption>{title}</caption>
        <thead>
          <tr>
            {['Name', ...fields.map(({ name }) => name)].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sources.map((source) => (
            <tr key={source.report.name}>
              <Name name={source.report.name} isHere={isLive(source, now)} />
              {fields.map(({ name, cell }) => (
                <td key={name}>{cell(source)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );

export const WorkerTable = processTable<WorkerReport>('Workers', [
  { name: 'Slots', cell: ({ report }) => <Slots {...report} /> },
  { name: 'Paused', cell: ({ report }) => count(report.paused) },
  { name: 'Parked', cell: ({ report }) => count(report.parked) },
  { name: 'Tokens/s', cell: ({ rate }) => count(rate) },
]);

export const EdgeTable = processTable<EdgeReport>('Edges', [
  { name: 'Connections', cell: ({ report }) => count(report.connections) },
  { name: 'Viewers', cell: ({ report }) => count(report.viewers) },
  { name: 'Un-acked', cell: ({ report }) => count(report.unacked) },
  { name: 'Tokens/s', cell: ({ rate }) => count(rate) },
]);

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
