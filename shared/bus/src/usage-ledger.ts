import type { GenerationKey, Org, UsageRecord } from '@sluice/protocol';

/** Records in one answer, so that nobody has to hold a day. */
export const MAX_USAGE_PAGE = 1000;

export type UsagePage = {
  /** oldest first */
  readonly records: readonly UsageRecord[];
  /** sequence of the last one: to be read after for those that come later */
  readonly last: number;
  /** there are more by now */
  readonly more: boolean;
};

/**
 * What each generation cost. One record a generation, which nobody changes or takes away before it expires: the store
 * refuses both. All methods throw BusUnavailableError, BusRefusedError.
 */
export type UsageLedger = {
  /** Writes a record, unless one is there: a repeat, by whomever, changes nothing. */
  append(key: GenerationKey, record: UsageRecord): Promise<void>;
  /**
   * Of an org's generations that ended on a day.
   * @param day since the Unix epoch, UTC
   * @param after sequence of the last record that is known; default 0, none
   */
  read(org: Org, day: number, after?: number): Promise<UsagePage>;
};
