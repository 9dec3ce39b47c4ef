import { createHash } from 'node:crypto';
import { fnv1a, nameOfDay } from '@sluice/core';
import { isId } from '@sluice/protocol';
import type {
  BodyPart,
  GenerationId,
  GenerationKey,
  ItemId,
  Org,
  Revocation,
  SessionId,
  SessionKey,
} from '@sluice/protocol';
import type { CounterName } from './counters.ts';
import { ANY_QUEUE } from './job-queue.ts';
import type { Job } from './job-queue.ts';

/**
 * Every NATS name is built and parsed here. Ids arrive branded, hence already checked: none can add a
 * separator or a wildcard.
 */
export const STREAMS = {
  jobs: 'JOBS',
  open: 'OPEN',
  bodies: 'BODIES',
  counters: 'COUNTERS',
  usage: 'USAGE',
  rates: 'RATES',
  cards: 'CARDS',
} as const;
export const BUCKETS = {
  sessions: 'SESSIONS',
  prompts: 'PROMPTS',
  workers: 'WORKERS',
  revoked: 'REVOKED',
  orgs: 'ORGS',
} as const;

/** Name of the stream that holds one partition of the token log. */
export const tokenStream = (partition: number): string =>
  partition === 0 ? 'TOKENS' : `TOKENS_${partition}`;
export const kvStream = (bucket: string): string => `KV_${bucket}`;

/** Which partition a session's tokens are in: a hash of the org and session ids. */
export const partitionOf = ({ org, session }: SessionKey, partitions: number): number =>
  partitions === 1 ? 0 : fnv1a(`${org}.${session}`) % partitions;

/** Where one chunk's newest record is. */
export const chunkSubject = (partition: number, key: GenerationKey, chunk: number): string =>
  `${generationPath(partition, key)}.${chunk}`;
/** All chunks of a generation: the newest of their messages is its head. */
export const chunkSubjects = (partition: number, key: GenerationKey): string =>
  `${generationPath(partition, key)}.*`;
const generationPath = (partition: number, { org, session, generation }: GenerationKey): string =>
  `tok.${partition}.${org}.${session}.${generation}`;
/** All chunks of all generations of a session. */
export const sessionChunkSubjects = (partition: number, { org, session }: SessionKey): string =>
  `tok.${partition}.${org}.${session}.*.*`;
/** The inverse of {@link chunkSubject}, as far as the chunk is concerned; undefined: none of its subjects. */
export const chunkOfSubject = (subject: string): number | undefined => {
  const part = subject.slice(subject.lastIndexOf('.') + 1);
  return /^(0|[1-9]\d{0,8})$/.test(part) ? Number(part) : undefined;
};
export const tokenSubjects = (partition: number): string => `tok.${partition}.*.*.*.*`;
/** The server republishes each stored record here, without its chunk: what is seen live is in the log. */
export const tokenRepublish = (partition: number): { src: string; dest: string } => ({
  src: tokenSubjects(partition),
  dest: 'live.tok.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}',
});

export const itemKey = ({ org, session }: SessionKey, item: ItemId): string => `${org}.${session}.${item}`;
export const itemSubject = (key: SessionKey, item: ItemId): string =>
  `$KV.${BUCKETS.sessions}.${itemKey(key, item)}`;
export const itemSubjects = ({ org, session }: SessionKey): string =>
  `$KV.${BUCKETS.sessions}.${org}.${session}.*`;
export const promptSubjects = ({ org, session }: SessionKey): string =>
  `$KV.${BUCKETS.prompts}.${org}.${session}.*`;
export const promptSubject = (key: SessionKey, item: ItemId): string =>
  `$KV.${BUCKETS.prompts}.${itemKey(key, item)}`;
export const itemRepublish = { src: `$KV.${BUCKETS.sessions}.>`, dest: 'live.item.>' } as const;

export const orgSubject = (org: Org): string => `$KV.${BUCKETS.orgs}.${org}`;
export const orgSubjects = `$KV.${BUCKETS.orgs}.*`;
export const liveOrgSubjects = 'live.org.*';
export const orgRepublish = { src: `$KV.${BUCKETS.orgs}.>`, dest: 'live.org.>' } as const;
/** The inverse of {@link orgSubject}, also of its republished form; undefined: no id. */
export const orgOfSubject = (subject: string): Org | undefined => {
  const org = subject.slice(subject.lastIndexOf('.') + 1);
  return isId(org) ? (org as Org) : undefined;
};

/** The inverse of {@link itemKey} and {@link itemSubjects}, as far as the item is concerned. */
export const itemOfSubject = (subject: string): string => subject.slice(subject.lastIndexOf('.') + 1);

export type BodyChunk = { readonly part: BodyPart; readonly sha256: string; readonly chunk: number };

/** Enough of a hash to name the bodies of one part of one item, or the users of an org. */
const HASH_CHARS = 16;

/** Where one chunk of a body is. The part is one of its own, since NATS's permissions are about whole parts. */
export const bodySubject = (
  { org, session }: SessionKey,
  item: ItemId,
  { part, sha256, chunk }: BodyChunk,
): string => `body.${org}.${session}.${item}.${part}.${sha256.slice(0, HASH_CHARS)}.${chunk}`;
export const bodySubjects = 'body.*.*.*.*.*.*';
/** All chunks of all bodies of a session, or of one of its items. */
export const bodySubjectsOf = ({ org, session }: SessionKey, item = '*'): string =>
  `body.${org}.${session}.${item}.*.*.*`;

/** What is listed of a session. */
export const cardSubject = ({ org, session }: SessionKey): string => `card.${org}.${session}`;
export const orgCardSubjects = (org: Org): string => `card.${org}.*`;
/** That something of a session is to be erased. */
export const eraseSubject = ({ org, session }: SessionKey): string => `erase.${org}.${session}`;
export const eraseSubjects = 'erase.*.*';
export const cardSubjects = ['card.*.*', eraseSubjects] as const;
/** The last part is there for the pattern of {@link liveSubjects}. */
export const cardRepublish = {
  src: 'card.*.*',
  dest: 'live.card.{{wildcard(1)}}.{{wildcard(2)}}.all',
} as const;
/** The inverse of {@link cardSubject} and {@link eraseSubject}; undefined for a subject of any other form. */
export const sessionOfSubject = (subject: string): SessionKey | undefined => {
  const ids = subject.split('.').slice(1);
  if (ids.length !== 2 || !ids.every(isId)) return undefined;
  const [org, session] = ids as [Org, SessionId];
  return { org, session };
};

/** What a worker says of a run in passing; under `live` so that a session's one subscription has it too. */
export const stateSubject = ({ org, session, generation }: GenerationKey): string =>
  `live.state.${org}.${session}.${generation}`;

/** What edges tell each other of a session's viewers; under `live` too. The last part is there for the pattern. */
export const presenceSubject = ({ org, session }: SessionKey): string => `live.pres.${org}.${session}.all`;

/** All that is live of one session: tokens and items as they are stored, the states of its runs, its viewers. */
export const liveSubjects = ({ org, session }: SessionKey): string => `live.*.${org}.${session}.*`;

export type LiveSubject = { readonly kind: (typeof LIVE_KINDS)[number]; readonly id: GenerationId };

const LIVE_KINDS = ['tok', 'item', 'state', 'pres', 'card'] as const;

/** The inverse of {@link liveSubjects}; undefined for a subject of any other form. */
export const parseLiveSubject = (subject: string): LiveSubject | undefined => {
  const kind = LIVE_KINDS.find((name) => subject.startsWith(`live.${name}.`));
  const id = subject.slice(subject.lastIndexOf('.') + 1);
  return kind !== undefined && isId(id) ? { kind, id: id as GenerationId } : undefined;
};

/** Every worker says here each second that it lives and what it runs. */
export const beatSubject = 'beat.workers';
/** Edges say here which stats sessions are observed; whoever has figures listens. */
export const statsSubject = 'stats.ask';
export const workerSubjects = `$KV.${BUCKETS.workers}.*`;

const encodeModel = (model: string): string => Buffer.from(model).toString('base64url');

/**
 * Each job has a subject of its own, so that the queue holds it once however often it is published.
 * @param queue {@link ANY_QUEUE}, or a worker's name for a job meant for it
 */
export const jobSubject = (job: Job, queue: string): string => {
  const { org, session, generation, attempt } = job;
  const model = encodeModel(job.model);
  const path = `${model}.${org}.${session}.${generation}.${attempt}`;
  return queue === ANY_QUEUE ? `job.${path}` : `own.${queue}.${path}`;
};
/** The queue of a model that its workers share. */
export const sharedJobSubjects = (model: string): string => `job.${encodeModel(model)}.*.*.*.*`;
/** A worker's own queue, for jobs of every model; default those of all workers. */
export const ownJobSubjects = (worker = '*'): string => `own.${worker}.*.*.*.*.*`;
export const jobSubjects = ['job.*.*.*.*.*', ownJobSubjects()] as const;
/** The inverse of {@link jobSubject}, as far as the queue is concerned. */
export const queueOfJobSubject = (subject: string): string => {
  const [kind, worker = ANY_QUEUE] = subject.split('.', 2);
  return kind === 'own' ? worker : ANY_QUEUE;
};

/** The inverse of {@link jobSubject}, but for the queue; undefined for a subject of any other form. */
export const jobOfSubject = (subject: string): Job | undefined => {
  const parts = subject.split('.');
  const [model = '', org, session, generation, attempt] = parts.slice(parts[0] === 'own' ? 2 : 1);
  const ids = [org, session, generation];
  if (!ids.every(isId) || !/^[1-9]\d{0,8}$/.test(attempt ?? '')) return undefined;
  const key = { org, session, generation } as GenerationKey;
  return { ...key, model: Buffer.from(model, 'base64url').toString(), attempt: Number(attempt) };
};

/** Where a generation is listed as not done. */
export const openSubject = ({ org, session, generation }: GenerationKey): string =>
  `open.${org}.${session}.${generation}`;
export const openSubjects = 'open.*.*.*';
export const openSubjectsOf = (org: Org): string => `open.${org}.*.*`;
/** The inverse of {@link openSubject}; undefined for a subject of any other form. */
export const openKeyOf = (subject: string): GenerationKey | undefined => {
  const ids = subject.split('.').slice(1);
  if (ids.length !== 3 || !ids.every(isId)) return undefined;
  const [org, session, generation] = ids as [Org, SessionId, GenerationId];
  return { org, session, generation };
};

/**
 * Where a revocation is stored, by a hash of what is revoked: a user's name is any text. One part, so that no session's
 * {@link liveSubjects} have it when it is republished.
 */
export const revocationSubject = ({ org, of, id }: Pick<Revocation, 'org' | 'of' | 'id'>): string =>
  `$KV.${BUCKETS.revoked}.${createHash('sha256')
    .update(JSON.stringify([org, of, id]))
    .digest('base64url')}`;
export const revocationSubjects = `$KV.${BUCKETS.revoked}.*`;
export const liveRevocationSubjects = 'live.revoked.*';
export const revocationRepublish = { src: revocationSubjects, dest: 'live.revoked.{{wildcard(1)}}' } as const;

/** User names may hold anything, subjects may not. */
const userPart = (user: string): string =>
  createHash('sha256').update(user).digest('base64url').slice(0, HASH_CHARS);

/** Where a counter is. What it belongs to is told by the number of parts: each of them may be an id. */
export const counterSubject = ({ org, session, user, minute, unit }: CounterName): string => {
  const own = user === undefined ? [] : [userPart(user)];
  if (minute !== undefined) return ['rate', org, ...own, minute, unit].join('.');
  if (session !== undefined) return ['count', org, session, ...own, unit].join('.');
  return ['count', org, ...(user === undefined ? [] : ['of', 'user', ...own]), unit].join('.');
};
export const counterSubjects = 'count.>';
export const rateSubjects = 'rate.>';
/** The bytes of each session of an org, of everybody or of one user. */
export const sessionByteSubjects = (org: Org, user?: string): string =>
  user === undefined ? `count.${org}.*.bytes` : `count.${org}.*.${userPart(user)}.bytes`;

/**
 * Where a generation's line of the ledger is. The day comes before the session, so that a range of days is read without
 * the others.
 * @param day since the Unix epoch, of the generation's end
 */
export const usageSubject = ({ org, session, generation }: GenerationKey, day: number): string =>
  `usage.${org}.${nameOfDay(day)}.${session}.${generation}`;
/** All lines of an org's day. */
export const usageSubjects = (org: Org, day: number): string => `usage.${org}.${nameOfDay(day)}.*.*`;
export const allUsageSubjects = 'usage.*.*.*.*';

export const controlSubject = ({ org, session, generation }: GenerationKey): string =>
  `ctl.${org}.${session}.${generation}`;
/** Where an edge is asked about the connections it has; `edge` is a checked name, like every id here. */
export const relaySubject = (edge: string): string => `conn.${edge}`;
