import type { CounterName } from '@sluice/bus';
import { SluiceError } from '@sluice/protocol';
import type { Quota, SessionKey } from '@sluice/protocol';

/** What one user of an org, and the org as a whole, may have and do. */
export type OrgQuota = { readonly user: Quota; readonly org: Quota };

const ANY: Quota = {
  ...{ bytesPerMinute: Infinity, promptsPerMinute: Infinity, messagesPerMinute: Infinity },
  ...{ bytesStored: Infinity, generations: Infinity, connections: Infinity },
};
export const UNLIMITED: OrgQuota = { user: ANY, org: ANY };

/** What a session may hold. */
export type SessionLimits = {
  readonly maxItemsPerSession: number;
  /** of them those of one user, so that nobody fills a session that others share; default all */
  readonly maxItemsPerUser?: number | undefined;
  readonly maxBytesPerSession: number;
};

/** An item that somebody wants to store. */
export type Demand = {
  readonly kind: 'generation' | 'message';
  readonly user: string;
  /** {@link sizeOf} */
  readonly bytes: number;
};

/** An amount that is added to a counter, which may not exceed `most` then. */
export type Limit = {
  readonly name: CounterName;
  readonly most: number;
  readonly amount: number;
  /** how it is called where it is set; undefined: it is of a session */
  readonly title?: keyof Quota;
};

const MINUTE_MS = 60_000;

export const minuteOf = (now: number): number => Math.floor(now / MINUTE_MS);
/** Until the next minute begins, ms. */
export const restOfMinute = (now: number): number => MINUTE_MS - (now % MINUTE_MS);

export const sessionCounters = ({
  org,
  session,
}: SessionKey): readonly [items: CounterName, bytes: CounterName] => [
  { org, session, unit: 'items' },
  { org, session, unit: 'bytes' },
];
export const orgCounter = ({ org }: Pick<SessionKey, 'org'>): CounterName => ({ org, unit: 'bytes' });

/** The counters of what is stored, of everybody and of one user. */
export const storedCounters = (key: SessionKey, user: string): readonly CounterName[] => {
  const { org } = key;
  const everybody = [...sessionCounters(key), orgCounter(key)];
  return [
    ...everybody,
    ...sessionCounters(key).map((name) => ({ ...name, user })),
    { org, user, unit: 'bytes' },
  ];
};

/** Of generations that are not done: of an org, or of one of its users. */
export const generationCounter = ({ org }: Pick<SessionKey, 'org'>, user?: string): CounterName => ({
  ...{ org, unit: 'generations' },
  ...(user === undefined ? {} : { user }),
});

/** All that counts an item: of its session first, then of its user, then of its org. */
export const limitsOf = (
  key: SessionKey,
  demand: Demand,
  {
    session,
    quota,
    now,
  }: { readonly session: SessionLimits; readonly quota: OrgQuota; readonly now: number },
): readonly Limit[] => {
  const { user, bytes } = demand;
  const [items, sessionBytes] = sessionCounters(key);
  return [
    { name: items, most: session.maxItemsPerSession, amount: 1 },
    { name: { ...items, user }, most: session.maxItemsPerUser ?? Infinity, amount: 1 },
    { name: sessionBytes, most: session.maxBytesPerSession, amount: bytes },
    { name: { ...sessionBytes, user }, most: Infinity, amount: bytes },
    ...quotaLimits({ org: key.org, user }, quota.user, demand, now),
    ...quotaLimits({ org: key.org }, quota.org, demand, now),
  ];
};

const quotaLimits = (
  whose: Pick<CounterName, 'org' | 'user'>,
  quota: Quota,
  { kind, bytes }: Demand,
  now: number,
): Limit[] => {
  const rate = { ...whose, minute: minuteOf(now) };
  const limit = (name: CounterName, title: keyof Quota, amount: number): Limit => ({
    ...{ name, title, amount },
    most: quota[title],
  });
  // What no limit is set for is counted only where it stays.
  return [
    ...(kind === 'generation'
      ? [
          limit({ ...rate, unit: 'prompts' }, 'promptsPerMinute', 1),
          limit({ ...whose, unit: 'generations' }, 'generations', 1),
        ]
      : [limit({ ...rate, unit: 'messages' }, 'messagesPerMinute', 1)]),
    limit({ ...rate, unit: 'bytes' }, 'bytesPerMinute', bytes),
    limit({ ...whose, unit: 'bytes' }, 'bytesStored', bytes),
  ].filter(({ name, most }) => name.minute === undefined || most < Infinity);
};

/** When one that is reached may have room again, ms: of what ends by itself, and of what is stored until it is recounted. */
const ENDING_MS = 2_000;
const STORED_MS = 60_000;

/** How long it makes no sense to ask again, ms. */
export const retryAfter = ({ name: { minute, unit } }: Pick<Limit, 'name'>, now: number): number => {
  if (minute !== undefined) return Math.max(1, (minute + 1) * MINUTE_MS - now);
  return unit === 'bytes' ? STORED_MS : ENDING_MS;
};

/**
 * Names the limit, what is used of it and when to ask again. What is stored stays so for long: such a refusal is not to be
 * repeated by itself.
 */
export const refusalOf = (
  { name, most, amount, title }: Pick<Limit, 'name' | 'most' | 'title'> & Partial<Limit>,
  used: number,
  now: number,
): SluiceError => {
  const { user, unit, minute } = name;
  if (title === undefined) {
    const whose = user === undefined ? '' : ' of one user';
    return new SluiceError(
      'quota_exceeded',
      `session: expected at most ${most} ${unit}${whose}; start a new one`,
    );
  }
  const whose = user === undefined ? 'org' : 'user';
  const needed = amount === undefined || amount === 1 ? '' : `, this needs ${amount}`;
  const code = minute === undefined && unit === 'bytes' ? 'quota_exceeded' : 'rate_limited';
  return new SluiceError(code, `${title} of this ${whose}: ${Math.max(0, used)} of ${most} used${needed}`, {
    retryAfterMs: retryAfter({ name }, now),
  });
};
