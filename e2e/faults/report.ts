import type { History } from './history.ts';
import { explain, judge } from './oracle.ts';
import type { Finding, FindingKind } from './finding.ts';
import type { Happened } from './nemesis.ts';
import { endDelaysOf, handoversOf } from './timings.ts';

export type Figures = Readonly<Record<string, string | number>>;

/** What every run must show, whatever befell it. */
export const FAULTLESS: Figures = { lost: 0, duplicate: 0, joined: 0, phantom: 0, foreign: 0, reordered: 0 };

export type RunReport = {
  readonly name: string;
  readonly seed: number;
  readonly histories: readonly History[];
  readonly findings: readonly { readonly history: History; readonly finding: Finding }[];
  readonly figures: Figures;
  /** ms: silences of viewers, reconnects, changes of worker, ends after they were stored */
  readonly timings: Readonly<Record<'gaps' | 'resumes' | 'handovers' | 'endDelays', readonly number[]>>;
};

export type RunFacts = {
  readonly name: string;
  readonly seed: number;
  readonly histories: readonly History[];
  readonly happened: readonly Happened[];
  /** prompts that an edge refused: nothing was promised */
  readonly refused: number;
  /** tokens that the engines made, as far as their workers lived to tell */
  readonly made: number;
  /** ms without a token for a viewer of a running generation, the longest of each; ms from a cut to the next frame */
  readonly gaps: readonly number[];
  readonly resumes: readonly number[];
  /** what only this run counts */
  readonly own: Figures;
};

export const nth = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? 0;

/** `p50 / p95 / max` */
export const spread = (values: readonly number[]): string =>
  [0.5, 0.95, 1].map((share) => nth(values, share).toFixed(0)).join(' / ');

export const reportOf = (facts: RunFacts): RunReport => {
  const { name, seed, histories, happened, made, gaps, resumes, refused, own } = facts;
  const timings = { gaps, resumes, handovers: handoversOf(histories), endDelays: endDelaysOf(histories) };
  const verdicts = histories.map((history) => ({ history, verdict: judge(history) }));
  const findings = verdicts.flatMap(({ history, verdict }) =>
    verdict.findings.map((finding) => ({ history, finding })),
  );
  const sum = (of: (each: (typeof verdicts)[number]) => number): number =>
    verdicts.reduce((total, each) => total + of(each), 0);
  const tokens = (...kinds: FindingKind[]): number =>
    findings.reduce((total, { finding }) => total + (kinds.includes(finding.kind) ? finding.tokens : 0), 0);
  const acked = sum(({ history }) => Math.max(0, ...history.acked.map(({ seq }) => seq)));
  const stored = sum(({ verdict }) => verdict.stored);
  const done = happened.filter(({ skipped }) => skipped === undefined);
  return {
    ...{ name, seed, histories, findings, timings },
    figures: {
      seed,
      faults: done.length,
      generations: histories.length,
      refused,
      stored,
      acked,
      delivered: sum(({ verdict }) => verdict.delivered),
      lost: tokens('lost', 'hole'),
      duplicate: tokens('duplicate', 'wire_duplicate'),
      joined: tokens('joined'),
      phantom: tokens('phantom'),
      foreign: tokens('foreign'),
      reordered: tokens('reordered'),
      truncated: tokens('truncated', 'ends'),
      'wire duplicates': sum(({ verdict }) => verdict.wireDuplicates),
      're-generated': Math.max(0, made - stored),
      reconnects: resumes.length,
      'gap p50/p95/max ms': spread(gaps),
      'resume p50/p95/max ms': spread(resumes),
      'hand-overs': timings.handovers.length,
      'hand-over p50/p95/max ms': spread(timings.handovers),
      ...own,
    },
  };
};

/** The table that every run prints. */
export const tableOf = (reports: readonly Pick<RunReport, 'name' | 'figures'>[]): string =>
  reports
    .map(({ name, figures }) =>
      [name, ...Object.entries(figures).map(([title, value]) => `  ${title.padEnd(24)}${value}`)].join('\n'),
    )
    .join('\n');

/** The first findings with what happened around them; empty when there is none. */
export const failuresOf = ({ seed, findings }: RunReport): string =>
  findings.length === 0
    ? ''
    : [
        `${findings.length} findings; SEED=${seed} repeats the plan`,
        ...findings.slice(0, 3).map(({ history, finding }) => explain(history, finding)),
      ].join('\n\n');
