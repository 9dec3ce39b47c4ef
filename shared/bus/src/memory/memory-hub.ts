import type { LiveMessage } from '../live-message.ts';
import { ANY_QUEUE } from '../job-queue.ts';
import {
  BUCKETS,
  liveOrgSubjects,
  liveRevocationSubjects,
  ownJobSubjects,
  queueOfJobSubject,
} from '../subjects.ts';

export type QueuedJob = { readonly text: string; deliveries: number; acked: boolean };
/** Takes the job, unless it is none. */
export type Puller = (queued: QueuedJob) => void;
/** `respond` is there when an answer is waited for. */
export type Listener = (text: string, respond?: (answer: string) => void) => void;

/**
 * What NATS would hold, in memory: several buses on one hub behave like services on one server. As there, all of it
 * is text, and anybody may publish anything (`publish`).
 */
export type MemoryHub = {
  /** every message of a log that was ever stored, also replaced ones: index + 1 is the sequence */
  readonly log: { readonly subject: string; readonly text: string }[];
  /** sequences of the newest message of each chunk, by generation and by chunk's subject */
  readonly chunks: Map<string, Map<string, number>>;
  readonly items: Map<string, { readonly rev: number; readonly text: string }>;
  readonly prompts: Map<string, string>;
  /** by subject; `at`: of the last change, ms */
  readonly counters: Map<string, { readonly value: number; readonly seq: number; readonly at: number }>;
  /** what is not counted again, by subject and word */
  readonly counted: Set<string>;
  /** chunks of bodies, by subject */
  readonly bodies: Map<string, Uint8Array>;
  /** records of the ledger, by subject: index + 1 is the sequence */
  readonly usage: Map<string, string>;
  readonly workers: Map<string, string>;
  /** revocations with their sequence, by key; and the last sequence */
  readonly revoked: Map<string, string>;
  revocations: number;
  /** settings by org */
  readonly orgs: Map<string, { readonly rev: number; readonly text: string }>;
  /** whoever tails a session, by `<org>.<session>` */
  readonly tails: Map<string, Set<(message: LiveMessage) => void>>;
  /** whoever listens to anything else, by subject */
  readonly listeners: Map<string, Set<Listener>>;
  /** jobs that wait, by the subjects that are pulled */
  readonly jobs: Map<string, QueuedJob[]>;
  /** the newest job of each subject, acked ones included */
  readonly queued: Map<string, QueuedJob>;
  /** unacked jobs of workers' own queues, by worker */
  readonly ownJobs: Map<string, Set<QueuedJob>>;
  readonly pullers: Map<string, Set<Puller>>;
  /** entries of generations that are not done, by subject; in the order in which they were added last */
  readonly open: Map<string, number>;
  openEntries: number;
  /** cards of sessions and marks of erasures, by subject, in the order in which they were stored last */
  readonly cards: Map<string, { readonly rev: number; readonly text: string; readonly expiresAt: number }>;
  cardRev: number;
  /** name of the store that items are in, as when their stream was created; and its last sequence */
  store: string;
  rev: number;
};

export const createMemoryHub = (): MemoryHub => ({
  log: [],
  chunks: new Map(),
  items: new Map(),
  prompts: new Map(),
  counters: new Map(),
  counted: new Set(),
  bodies: new Map(),
  usage: new Map(),
  workers: new Map(),
  revoked: new Map(),
  revocations: 0,
  orgs: new Map(),
  tails: new Map(),
  listeners: new Map(),
  jobs: new Map(),
  queued: new Map(),
  ownJobs: new Map(),
  pullers: new Map(),
  open: new Map(),
  openEntries: 0,
  cards: new Map(),
  cardRev: 0,
  store: 'memory',
  rev: 0,
});

/** All that is stored, as text. */
export const hubContent = (hub: MemoryHub): string =>
  JSON.stringify(
    [hub.log, hub.items, hub.prompts, hub.bodies, hub.counters, hub.cards, hub.open, hub.queued].map(
      (part) => (part instanceof Map ? [...part].map(([key, value]) => [key, shown(value)]) : part),
    ),
  );

const shown = (value: unknown): unknown =>
  value instanceof Uint8Array ? Buffer.from(value).toString() : value;

/** Adds a listener under a key; the returned subscription removes it again. */
export const listen = <Each>(map: Map<string, Set<Each>>, key: string, listener: Each): { close(): void } => {
  const set = map.get(key) ?? new Set();
  map.set(key, set.add(listener));
  return {
    close: () => {
      set.delete(listener);
      if (set.size === 0 && map.get(key) === set) map.delete(key);
    },
  };
};

/** Publishes a message, as any program may that has the password. */
export const publish = (hub: MemoryHub, subject: string, text: string): void => {
  const [first = '', ...rest] = subject.split('.');
  if (first === 'tok') appendRecord(hub, subject, text);
  else if (first === 'live') deliver(hub, { subject, text, sequence: undefined });
  else if (first === 'job' || first === 'own') enqueue(hub, subject, { text, deliveries: 0, acked: false });
  else if (first === 'open') putOpen(hub, subject);
  else if (first === 'usage') putUsage(hub, subject, text);
  else if (first === 'card' || first === 'erase') putCard(hub, subject, { text });
  else if (first === 'body') hub.bodies.set(subject, Buffer.from(text));
  else if (first === '$KV') put(hub, rest, text);
  else tell(hub, subject, text);
};

const tell = (hub: MemoryHub, subject: string, text: string): void =>
  queueMicrotask(() => {
    for (const listener of hub.listeners.get(subject) ?? []) listener(text);
  });

/** Stores a message of a log and republishes it. @returns its sequence */
export const appendRecord = (hub: MemoryHub, subject: string, text: string): number => {
  const sequence = hub.log.push({ subject, text });
  const [, , org, session, generation] = subject.split('.');
  const path = `${org}.${session}.${generation}`;
  hub.chunks.set(path, (hub.chunks.get(path) ?? new Map<string, number>()).set(subject, sequence));
  deliver(hub, { subject: `live.tok.${path}`, text, sequence });
  return sequence;
};

/** Stores an item and republishes it. @returns its rev */
export const putItem = (hub: MemoryHub, path: string, text: string): number => {
  hub.rev += 1;
  const rev = hub.rev;
  // At the end: items are listed in the order of their changes.
  hub.items.delete(path);
  hub.items.set(path, { rev, text });
  deliver(hub, { subject: `live.item.${path}`, text, sequence: rev });
  return rev;
};

/** A record that is there stays as it is. */
export const putUsage = ({ usage }: MemoryHub, subject: string, text: string): void => {
  if (!usage.has(subject)) usage.set(subject, text);
};

/** Stores an org's settings and republishes them. @returns their rev */
export const putOrg = (hub: MemoryHub, org: string, text: string): number => {
  const rev = (hub.orgs.get(org)?.rev ?? 0) + 1;
  hub.orgs.set(org, { rev, text });
  tell(hub, liveOrgSubjects, org);
  return rev;
};

/** Stores a card, or a mark, and republishes a card. @returns its rev */
export const putCard = (
  hub: MemoryHub,
  subject: string,
  { text, ttlMs = Infinity }: { readonly text: string; readonly ttlMs?: number },
): number => {
  hub.cardRev += 1;
  const rev = hub.cardRev;
  hub.cards.delete(subject);
  hub.cards.set(subject, { rev, text, expiresAt: performance.now() + ttlMs });
  if (subject.startsWith('card.')) deliver(hub, { subject: `live.${subject}.all`, text, sequence: rev });
  return rev;
};

export const putOpen = (hub: MemoryHub, subject: string): void => {
  hub.openEntries += 1;
  hub.open.delete(subject);
  hub.open.set(subject, hub.openEntries);
};

const put = (hub: MemoryHub, [bucket, ...path]: readonly string[], text: string): void => {
  const key = path.join('.');
  if (bucket === BUCKETS.sessions) putItem(hub, key, text);
  else if (bucket === BUCKETS.prompts) hub.prompts.set(key, text);
  else if (bucket === BUCKETS.revoked) putRevocation(hub, key, text);
  else if (bucket === BUCKETS.orgs) putOrg(hub, key, text);
  else hub.workers.set(key, text);
};

const putRevocation = (hub: MemoryHub, key: string, text: string): void => {
  hub.revocations += 1;
  const stored = JSON.stringify({ rev: hub.revocations, text });
  hub.revoked.set(key, stored);
  queueMicrotask(() => {
    for (const listener of hub.listeners.get(liveRevocationSubjects) ?? []) listener(stored);
  });
};

const deliver = (hub: MemoryHub, message: LiveMessage): void => {
  const [, , org = '', session = ''] = message.subject.split('.');
  queueMicrotask(() => {
    for (const tail of hub.tails.get(`${org}.${session}`) ?? []) tail(message);
  });
};

/** Puts a job where its subject says, or hands it to whoever waits there; nothing where one is there already. */
export const enqueue = (hub: MemoryHub, subject: string, queued: QueuedJob): void => {
  if (hub.queued.get(subject)?.acked === false) return;
  hub.queued.set(subject, queued);
  const queue = queueOfJobSubject(subject);
  if (queue === ANY_QUEUE) return offer(hub, sharedSubjectsOf(subject), queued);
  hub.ownJobs.set(queue, (hub.ownJobs.get(queue) ?? new Set()).add(queued));
  offer(hub, ownJobSubjects(queue), queued);
};

/** The queue that a shared job's subject belongs to. */
const sharedSubjectsOf = (subject: string): string => `${subject.split('.', 2).join('.')}.*.*.*.*`;

/** Offers a job to one that waits; whoever comes later finds it in the queue. */
export const offer = (hub: MemoryHub, subject: string, queued: QueuedJob): void => {
  if (queued.acked) return;
  const [puller] = hub.pullers.get(subject) ?? [];
  if (puller !== undefined) return puller(queued);
  hub.jobs.set(subject, [...(hub.jobs.get(subject) ?? []), queued]);
};
