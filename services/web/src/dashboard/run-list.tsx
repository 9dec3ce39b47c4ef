import { memo, useState } from 'react';
import { clockTime, count, duration } from './numbers.ts';
import { standingOf, stretchesOf } from './run-board.ts';
import type { Activity, Run, RunMoment } from './run-board.ts';

const SHOWN = 12;

const ACTIVITIES: Readonly<Record<Activity, string>> = {
  waiting: 'waiting for a worker',
  starting: 'claimed, before its first token',
  streaming: 'streaming',
  paused: 'paused: nobody acks',
  parked: 'parked',
};

const PHASES: Readonly<Record<RunMoment['phase'], string>> = {
  queued: 'Queued',
  claimed: 'Claimed',
  first_token: 'First token',
  paused: 'Paused',
  running: 'Goes on',
  parked: 'Parked',
  requeued: 'Queued again',
  lost: 'Given up by this worker',
  ended: 'Ended',
};

const tone = (run: Run): string => {
  if (run.endedAt === undefined) return 'busy';
  return run.reason === 'error' ? 'bad' : 'plain';
};

const Bar = ({ run, now }: { readonly run: Run; readonly now: number }) => {
  const to = run.endedAt ?? now;
  const whole = Math.max(1, to - run.createdAt);
  return (
    <span className="run-bar" aria-hidden="true">
      {stretchesOf(run, now).map(({ activity, from, to: until }) => (
        <span
          key={`${activity}${from}`}
          className={activity}
          title={`${ACTIVITIES[activity]}, ${duration(until - from)}`}
          style={{
            left: `${((from - run.createdAt) / whole) * 100}%`,
            width: `${((until - from) / whole) * 100}%`,
          }}
        />
      ))}
    </span>
  );
};

const Moments = ({ run }: { readonly run: Run }) => (
  <ol className="moments">
    {run.moments.map(({ phase, at, seq, attempt, by }) => (
      <li key={`${attempt}.${phase}.${at}`} data-phase={phase}>
        <time>+{duration(Math.max(0, at - run.createdAt))}</time>
        <span>
          {PHASES[phase]}
          {phase === 'ended' && run.reason !== undefined && `: ${run.reason}`}
          {phase === 'claimed' && ` by ${by}, attempt ${attempt}`}
        </span>
        <span className="moment-seq">{seq > 0 && `token ${count(seq)}`}</span>
      </li>
    ))}
  </ol>
);

type RowProps = {
  readonly run: Run;
  readonly now: number;
  /** tokens so far, of one that runs */
  readonly made: number;
  readonly hasOrg: boolean;
};

const Row = memo(({ run, now, made, hasOrg }: RowProps) => (
  <li className="run" data-generation={run.generation} data-standing={standingOf(run)}>
    <details>
      <summary>
        <span className={`run-standing ${tone(run)}`}>
          {run.reason === 'stop' ? 'finished' : standingOf(run)}
        </span>
        <span className="run-name">
          {hasOrg && <b>{run.org}</b>} {run.session}
        </span>
        <Bar run={run} now={now} />
        <span className="run-facts">
          {count(Math.max(run.tokens, made))} tokens · {duration((run.endedAt ?? now) - run.createdAt)}
          {run.attempts > 1 && ` · ${run.attempts} attempts`}
          {run.saved > 0 && <em> · {count(run.saved)} saved</em>}
        </span>
      </summary>
      <p className="run-ids">
        {clockTime(run.createdAt)} · {run.model} · {run.generation}
      </p>
      <Moments run={run} />
    </details>
  </li>
));
Row.displayName = 'Row';

type Props = {
  readonly runs: readonly Run[];
  /** ms since the Unix epoch */
  readonly now: number;
  readonly made: ReadonlyMap<string, number>;
  readonly hasOrg: boolean;
};

/** The newest generations, each with what befell it. */
export const RunList = ({ runs, now, made, hasOrg }: Props) => {
  const [shown, setShown] = useState(SHOWN);
  return (
    <section className="runs" aria-labelledby="runs-title">
      <h3 id="runs-title">Generations, newest first</h3>
      <p className="run-legend">
        {Object.entries(ACTIVITIES).map(([activity, words]) => (
          <span key={activity}>
            <i className={activity} aria-hidden="true" /> {words}
          </span>
        ))}
      </p>
      {runs.length === 0 && <p className="nothing">None yet. Ask something in a chat.</p>}
      <ul>
        {runs.slice(0, shown).map((run) => (
          // A run that is over does not change with the time.
          <Row
            key={run.id}
            run={run}
            now={run.endedAt ?? now}
            made={run.endedAt === undefined ? (made.get(run.id) ?? 0) : 0}
            hasOrg={hasOrg}
          />
        ))}
      </ul>
      {runs.length > shown && (
        <button type="button" className="button quiet" onClick={() => setShown(shown + SHOWN)}>
          Show more
        </button>
      )}
    </section>
  );
};
