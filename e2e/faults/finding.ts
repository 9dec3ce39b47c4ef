/**
 * What can be wrong with a history.
 * `lost`: promised and not stored; `phantom`: seen and not stored; `duplicate`: stored or shown twice;
 * `joined`: a text that was begun again in the epoch of another one;
 * `reordered`: an order the log does not have, or an older attempt after a newer one; `foreign`: another
 * generation's bytes; `truncated`: no whole text with one end; `hole`: tokens skipped on a wire;
 * `wire_duplicate`: tokens sent again to a connection; `ends`: not exactly one end, or another one than
 * stored; `overrun`: more tokens made than anybody asked for.
 */
export const FINDING_KINDS = [
  'lost',
  'duplicate',
  'joined',
  'phantom',
  'reordered',
  'foreign',
  'truncated',
  'hole',
  'wire_duplicate',
  'ends',
  'overrun',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

export type Finding = {
  readonly kind: FindingKind;
  /** `log`, `item`, or a viewer's name */
  readonly where: string;
  /** of the record in the log, or of the frame among all that the viewer received */
  readonly index: number;
  /** tokens concerned */
  readonly tokens: number;
  readonly detail: string;
};

export type Report = (finding: Finding) => void;
