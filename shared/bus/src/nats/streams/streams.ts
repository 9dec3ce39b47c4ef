import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { StreamConfig } from '@nats-io/jetstream';
import {
  bodySubjects,
  cardRepublish,
  cardSubjects,
  BUCKETS,
  STREAMS,
  counterSubjects,
  itemRepublish,
  jobSubjects,
  kvStream,
  openSubjects,
  allUsageSubjects,
  orgRepublish,
  rateSubjects,
  revocationRepublish,
  revocationSubjects,
  tokenRepublish,
  tokenStream,
  tokenSubjects,
} from '../../subjects.ts';
import { RATES_KEPT_MS } from '../../counters.ts';
import { WORKER_TTL_MS } from '../../worker-directory.ts';
import type { NatsOptions } from '../connection/connection.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
const nanos = (ms: number): number => ms * 1_000_000;

/** The settings of a stream that are ours to say; others are left as they are. */
export type Wanted = Partial<StreamConfig> & { readonly name: string };

/** The server's default. */
const DEDUPE_MS = 2 * MINUTE_MS;

/**
 * A body stays for this much longer than an item that is written at the same time: a generation may end long after its prompt
 * was stored, and its item then stays for its full time.
 */
const BODY_GRACE_MS = 24 * 60 * MINUTE_MS;

/** A repeat of an increment within this time counts once. It is repeated for 2 s. */
const COUNTER_DEDUPE_MS = 30_000;

/** Messages here go by age alone, or by a newer one of their subject; of jobs and counters they can be made anew. */
const LASTING = { deny_delete: true, deny_purge: true } as const;

const openStream = (sessionsMs: number): Wanted => ({
  name: STREAMS.open,
  subjects: [openSubjects],
  max_msgs_per_subject: 1,
  max_age: nanos(sessionsMs),
  max_bytes: 64 * MIB,
  allow_direct: true,
  // What is taken off leaves by itself.
  allow_msg_ttl: true,
  duplicate_window: nanos(Math.min(sessionsMs, DEDUPE_MS)),
});

/** Longest time that a revocation may count. */
const REVOCATION_MAX_AGE_MS = 366 * 24 * 60 * MINUTE_MS;
/** Every edge holds all of them in memory, at about 150 bytes of this each. */
const REVOKED_MAX_BYTES = 8 * MIB;

const revokedStream: Wanted = {
  name: kvStream(BUCKETS.revoked),
  subjects: [revocationSubjects],
  max_msgs_per_subject: 1,
  max_age: nanos(REVOCATION_MAX_AGE_MS),
  max_bytes: REVOKED_MAX_BYTES,
  allow_direct: true,
  // Each leaves when it expires.
  allow_msg_ttl: true,
  duplicate_window: nanos(DEDUPE_MS),
  republish: revocationRepublish,
};
/** A line is there once, and nobody takes it back: not whoever wrote it, nor an admin. */
const usageStream = (usageMs = 400 * 24 * 60 * MINUTE_MS, maxBytes = 1024 * MIB): Wanted => ({
  name: STREAMS.usage,
  subjects: [allUsageSubjects],
  max_msgs_per_subject: 1,
  discard_new_per_subject: true,
  max_age: nanos(usageMs),
  max_bytes: maxBytes,
  allow_direct: true,
  deny_delete: true,
  deny_purge: true,
  duplicate_window: nanos(Math.min(usageMs, DEDUPE_MS)),
});

const countersStream = (sessionsMs: number): Wanted => ({
  name: STREAMS.counters,
  subjects: [counterSubjects],
  allow_msg_counter: true,
  max_msgs_per_subject: 1,
  // Each increment renews a counter, so it expires after the newest item was created; it begins again from a listing.
  max_age: nanos(sessionsMs),
  max_bytes: 64 * MIB,
  // The only policy the server allows here. The counter that rested longest goes first, and begins again as above.
  discard: DiscardPolicy.Old,
  allow_direct: true,
  duplicate_window: nanos(Math.min(sessionsMs, COUNTER_DEDUPE_MS)),
});

/** Of minutes, and leases that are renewed each minute: what is kept for days would only be in the way. */
const ratesStream = (): Wanted => ({
  ...countersStream(RATES_KEPT_MS),
  name: STREAMS.rates,
  subjects: [rateSubjects],
});

/**
 * The streams with explicit limits. `discard: new` everywhere but in the counters: the default drops the oldest messages,
 * which would silently cut the head off a text.
 */
export const wantedStreams = (options: NatsOptions): Wanted[] => {
  const { retention = {}, maxBytes = {}, replicas = 1, partitions = 1 } = options;
  const base = {
    ...{ num_replicas: replicas, discard: DiscardPolicy.New, storage: StorageType.File },
    // Whoever may publish to a stream that allows it erases all of it with one message.
    allow_rollup_hdrs: false,
  };
  const lasting = { ...base, ...LASTING };
  // 0 ms: for ever
  const bucket = (name: string, ttlMs: number, bytes: number): Wanted => ({
    ...lasting,
    name: kvStream(name),
    subjects: [`$KV.${name}.>`],
    max_msgs_per_subject: 1,
    max_age: nanos(ttlMs),
    max_bytes: bytes,
    allow_direct: true,
    // What is erased leaves by itself.
    allow_msg_ttl: true,
    duplicate_window: nanos(ttlMs === 0 ? DEDUPE_MS : Math.min(ttlMs, DEDUPE_MS)),
  });
  const sessionsMs = retention.sessionsMs ?? 7 * 24 * 60 * MINUTE_MS;
  const tokensMs = retention.tokensMs ?? 24 * 60 * MINUTE_MS;
  // An item is written anew at each step, a prompt once: it stays for as long as a run may take after the longest wait.
  const promptsMs = sessionsMs + tokensMs;
  // As long as the item that waits for it: a generation must not lose its job while nobody can run it.
  const jobsMs = retention.jobsMs ?? sessionsMs;
  const tokens = Array.from({ length: partitions }, (_, partition): Wanted => ({
    ...lasting,
    name: tokenStream(partition),
    subjects: [tokenSubjects(partition)],
    // A record replaces the earlier, shorter one of its chunk.
    max_msgs_per_subject: 1,
    max_age: nanos(tokensMs),
    max_bytes: maxBytes.tokens ?? 1024 * MIB,
    allow_direct: true,
    allow_msg_ttl: true,
    republish: tokenRepublish(partition),
  }));
  return [
    ...tokens,
    { ...bucket(BUCKETS.sessions, sessionsMs, maxBytes.sessions ?? 1024 * MIB), republish: itemRepublish },
    bucket(BUCKETS.prompts, promptsMs, maxBytes.prompts ?? 512 * MIB),
    bodies(lasting, Math.max(promptsMs, sessionsMs + BODY_GRACE_MS), maxBytes.bodies),
    // On disk as all else: a server that starts again would not know a stream in memory any more.
    bucket(BUCKETS.workers, WORKER_TTL_MS, 16 * MIB),
    { ...bucket(BUCKETS.orgs, 0, 16 * MIB), republish: orgRepublish },
    { ...lasting, ...openStream(sessionsMs) },
    { ...lasting, ...revokedStream },
    {
      ...base,
      name: STREAMS.jobs,
      subjects: [...jobSubjects],
      retention: RetentionPolicy.Workqueue,
      // A job that is there is not taken again.
      max_msgs_per_subject: 1,
      discard_new_per_subject: true,
      max_age: nanos(jobsMs),
      max_bytes: 64 * MIB,
      // Nothing here has an id to be known again by; the server wants a window no longer than the age.
      duplicate_window: nanos(Math.min(jobsMs, DEDUPE_MS)),
    },
    { ...base, ...countersStream(sessionsMs) },
    { ...base, ...usageStream(retention.usageMs, maxBytes.usage) },
    { ...base, ...ratesStream() },
    cards(base, sessionsMs),
  ];
};

/** @param base what all streams have in common */
const bodies = (base: Partial<StreamConfig>, ageMs: number, maxBytes = 2048 * MIB): Wanted => ({
  ...base,
  name: STREAMS.bodies,
  subjects: [bodySubjects],
  max_msgs_per_subject: 1,
  max_age: nanos(ageMs),
  max_bytes: maxBytes,
  allow_direct: true,
  allow_msg_ttl: true,
});

/** A card is written anew at each activity, so it stays for as long as the item of that. */
const cards = (base: Partial<StreamConfig>, sessionsMs: number): Wanted => ({
  ...base,
  name: STREAMS.cards,
  subjects: [...cardSubjects],
  max_msgs_per_subject: 1,
  max_age: nanos(sessionsMs),
  max_bytes: 64 * MIB,
  allow_direct: true,
  allow_msg_ttl: true,
  republish: cardRepublish,
  duplicate_window: nanos(Math.min(sessionsMs, DEDUPE_MS)),
});
