/**
 * What a worker does with the outcome of publishing one record. A timeout means *unknown*, never
 * *failed*: the record may be stored already, and only a read of the head from the leader tells.
 */
export type PublishOutcome =
  | { readonly type: 'stored'; readonly sequence: number }
  /**
   * timeout, connection closed, no responders, JetStream temporarily unavailable. `isOffline`: without a connection it was
   * not even sent
   */
  | { readonly type: 'unknown'; readonly detail: string; readonly isOffline?: true }
  /** an earlier try of ours is still being processed (10158, 10164) */
  | { readonly type: 'in_process' }
  /** the subject's last sequence is not the expected one (10071) */
  | { readonly type: 'wrong_sequence' }
  /** a limit of the stream or account (10047, 10054, 10077, 10167) */
  | { readonly type: 'limit'; readonly detail: string };

/** What the head, read from the leader after `wrong_sequence`, turned out to be. */
export type HeadFinding =
  | { readonly type: 'ours'; readonly sequence: number }
  /** still the record before ours: the refusal came from a leader that had not caught up */
  | { readonly type: 'previous' }
  /**
   * a record of a newer attempt. One of an *older* attempt is possible only before our claim is stored: the
   * worker we replace was faster once more, so make the writer anew from that head and claim again
   */
  | { readonly type: 'newer' };

export type PublishAction =
  | { readonly type: 'advance'; readonly sequence: number }
  | { readonly type: 'retry'; readonly afterMs: number }
  | { readonly type: 'read_head' }
  /** a newer attempt owns the log: stop at once, touch neither item nor job */
  | { readonly type: 'fenced' }
  /** storage refuses: end the generation with an error */
  | { readonly type: 'refused'; readonly detail: string }
  /** still unknown after the retry time: leave the job to its redelivery */
  | { readonly type: 'give_up'; readonly detail: string };

/** Retries so far and when the first try was sent, or could have been (ms). */
export type PublishState = {
  readonly tries: number;
  readonly since: number;
  /** the limit that refused a retry, while the head is read to learn whether an earlier try was stored */
  readonly limit?: string;
};

export const PUBLISH_RETRY_MS = 30_000;
const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 1_000;
const IN_PROCESS_MS = 30;

export const publishStarted = (now: number): PublishState => ({ tries: 0, since: now });

type Step = { readonly state: PublishState; readonly action: PublishAction };

const retry = (state: PublishState, now: number, detail: string, afterMs = backoffMs(state)): Step => {
  const next = { ...state, tries: state.tries + 1 };
  if (now - state.since >= PUBLISH_RETRY_MS) return { state: next, action: { type: 'give_up', detail } };
  return { state: next, action: { type: 'retry', afterMs } };
};

const backoffMs = ({ tries }: PublishState): number =>
  Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(tries, 10));

export const onPublishOutcome = (state: PublishState, outcome: PublishOutcome, now: number): Step => {
  switch (outcome.type) {
    case 'stored':
      return { state, action: { type: 'advance', sequence: outcome.sequence } };
    case 'unknown':
      // While there is no connection no other job can come either: nothing is gained by giving up.
      return retry(outcome.isOffline === true ? { ...state, since: now } : state, now, outcome.detail);
    case 'in_process':
      return retry(state, now, 'an earlier try stays in process', IN_PROCESS_MS);
    case 'wrong_sequence':
      return { state, action: { type: 'read_head' } };
    case 'limit':
      if (state.tries === 0) return { state, action: { type: 'refused', detail: outcome.detail } };
      // An earlier try may have been stored before the limit was reached.
      return { state: { ...state, limit: outcome.detail }, action: { type: 'read_head' } };
  }
};

export const onHeadFinding = (state: PublishState, finding: HeadFinding, now: number): Step => {
  switch (finding.type) {
    case 'ours':
      return { state, action: { type: 'advance', sequence: finding.sequence } };
    case 'previous':
      if (state.limit !== undefined) return { state, action: { type: 'refused', detail: state.limit } };
      return retry(state, now, 'the log refuses our record although its head is the one before it');
    case 'newer':
      return { state, action: { type: 'fenced' } };
  }
};
