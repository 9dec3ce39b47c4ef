/** What a worker does with NATS: reads, compare-and-set, jobs. */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from 'nats';

const { SLUICE_NATS_URL: servers = 'nats://127.0.0.1:4222' } = process.env;
const { SLUICE_NATS_USER: user, SLUICE_NATS_PASSWORD: pass } = process.env;
const inboxPrefix = user === undefined ? '_INBOX' : `_INBOX_${user}`;

export const nc = await connect({ servers, user, pass, inboxPrefix, maxReconnectAttempts: -1 });
export const js = jetstream(nc, { timeout: 1_000 });
const jsm = await jetstreamManager(nc);

const WRONG_LAST_SEQUENCE = 10071;
const LIMITS = [10047, 10054, 10077, 10167];

export const pathOf = ({ org, session, generation }) => `${org}.${session}.${generation}`;

/** The newest message of a subject, with the stream sequence it has; undefined: there is none. */
export const read = async (stream, subject) => {
  const found = await jsm.direct.getMessage(stream, { last_by_subj: subject });
  return found === null ? undefined : { seq: found.seq, value: found.json() };
};

/** A record by its stream sequence; undefined once it has expired. */
export const readRecord = async (seq) => (await jsm.direct.getMessage('TOKENS', { seq }))?.json();

/** Tokens of a generation's log by now, in its newest epoch. */
export const readSeq = async (key) => {
  const head = await read('TOKENS', `tok.0.${pathOf(key)}`);
  return head === undefined ? 0 : head.value.base + head.value.tokens.length;
};

/** The directory entries of live workers (`*`: all). A worker that retired leaves an empty one. */
export const readWorkers = async (name = '*') => {
  const found = [];
  const query = { multi_last: [`$KV.WORKERS.${name}`] };
  for await (const entry of await jsm.direct.getLastMessagesFor('KV_WORKERS', query))
    if (entry.data.length > 0) found.push(entry.json());
  return found;
};

/** Repeats what may be repeated: no answer means unknown, never failed (W26). */
export const persist = async (write) => {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (error instanceof TypeError || error instanceof Refused) throw error;
      await pause(200);
    }
  }
};

/** Writes what `change` makes of the item, if anything; the newest version counts, not the one read (W5). */
export const changeItem = (key, change) =>
  persist(async () => {
    const subject = `$KV.SESSIONS.${pathOf(key)}`;
    for (;;) {
      const found = await read('KV_SESSIONS', subject);
      const next = found && (await change(found.value));
      if (next === undefined) return undefined;
      try {
        await js.publish(subject, JSON.stringify(next), { expect: { lastSubjectSequence: found.seq } });
        return next;
      } catch (error) {
        if (error.code !== WRONG_LAST_SEQUENCE) throw error;
      }
    }
  });

/** The log does not take our records any more: `fenced`, `behind` (claim again), or `full`. */
export class Refused extends Error {}

/** Appends a record behind the one with sequence `last`, and resolves to its own. @throws Refused (W21, W25) */
export const append = (log, record, last) =>
  persist(async () => {
    try {
      return (await js.publish(log, JSON.stringify(record), { expect: { lastSubjectSequence: last } })).seq;
    } catch (error) {
      if (LIMITS.includes(error.code)) throw new Refused('full');
      if (error.code !== WRONG_LAST_SEQUENCE) throw error;
      // Proves nothing by itself: what stands there may be this record, stored by an earlier try.
      const head = await read('TOKENS', log);
      if (head !== undefined && isSame(head.value, record)) return head.seq;
      if ((head?.seq ?? 0) === last) throw error;
      throw new Refused(head.value.attempt < record.attempt ? 'behind' : 'fenced');
    }
  });

const isSame = (a, b) =>
  a.attempt === b.attempt &&
  a.epoch === b.epoch &&
  a.base + a.tokens.length === b.base + b.tokens.length &&
  (a.end === undefined) === (b.end === undefined);

const jobSubject = (model) => `job.${Buffer.from(model).toString('base64url')}.any`;

export const publishJob = (key, model, attempt) => {
  const { org, session, generation } = key;
  const job = JSON.stringify({ org, session, generation, model, attempt });
  return persist(() => js.publish(jobSubject(model), job, { msgID: `${pathOf(key)}.${attempt}` }));
};

/** The durable consumer that all workers of a model share. */
export const openJobs = async (model) => {
  const durable_name = `any-${createHash('sha256').update(model).digest('hex').slice(0, 24)}`;
  await jsm.consumers.add('JOBS', {
    durable_name,
    filter_subject: jobSubject(model),
    ack_policy: AckPolicy.Explicit,
    ack_wait: 30_000_000_000,
    max_deliver: -1,
    max_ack_pending: 100_000,
  });
  return js.consumers.get('JOBS', durable_name);
};
