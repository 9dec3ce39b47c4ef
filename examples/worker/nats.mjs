/** What a worker does with NATS: reads, compare-and-set, jobs. */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from 'nats';

const { SLUICE_NATS_URL: servers = 'nats://127.0.0.1:4222' } = process.env;
const { SLUICE_NATS_USER: user, SLUICE_NATS_PASSWORD: pass } = process.env;
const inboxPrefix = user === undefined ? '_INBOX' : `_INBOX_${user}`;

// By itself the library takes tls:// for nats://, and tells a server without TLS the password.
const { SLUICE_NATS_CA_FILE: caFile } = process.env;
const tls = servers.startsWith('tls://') ? { tls: { caFile } } : {};

export const nc = await connect({
  ...{ servers: servers.split(','), user, pass, inboxPrefix, maxReconnectAttempts: -1 },
  ...tls,
});
export const js = jetstream(nc, { timeout: 1_000 });
const jsm = await jetstreamManager(nc);

const WRONG_LAST_SEQUENCE = 10071;
const LIMITS = [10047, 10054, 10077, 10167];
/** Most chunks that are asked for in one request. */
const CHUNKS_AT_ONCE = 256;

export const pathOf = ({ org, session, generation }) => `${org}.${session}.${generation}`;
export const logOf = (key) => `tok.0.${pathOf(key)}`;

/** The newest message of a subject, with the stream sequence it has; undefined: there is none. */
export const read = async (stream, subject) => {
  const found = await jsm.direct.getMessage(stream, { last_by_subj: subject });
  return found === null ? undefined : { seq: found.seq, subject: found.subject, value: found.json() };
};

/** The newest message of each of these subjects, in the order of the stream. */
const readEach = async (stream, multi_last) => {
  const found = [];
  for await (const message of await jsm.direct.getLastMessagesFor(stream, { multi_last }))
    if (message.data.length > 0) found.push(message.json());
  return found;
};

/** Chunks of a body that are asked for in one request, and most bytes of one. */
const BODY_CHUNKS_AT_ONCE = 16;
const BODY_CHUNK_BYTES = 256 * 1024;

const hashOf = (content) => createHash('sha256').update(content).digest('hex');
const bodySubjects = (key, part, { chunks, sha256 }) =>
  Array.from({ length: chunks }, (_, n) => `body.${pathOf(key)}.${part}.${sha256.slice(0, 16)}.${n}`);

/** The fields of a body; undefined where it is not all there, or another one (W44). */
const readBody = async (key, part, ref) => {
  const subjects = bodySubjects(key, part, ref);
  const found = new Map();
  for (let from = 0; from < subjects.length; from += BODY_CHUNKS_AT_ONCE) {
    const multi_last = subjects.slice(from, from + BODY_CHUNKS_AT_ONCE);
    for await (const message of await jsm.direct.getLastMessagesFor('BODIES', { multi_last }))
      found.set(message.subject, message.data);
  }
  const content = Buffer.concat(subjects.map((subject) => found.get(subject) ?? Buffer.alloc(0)));
  return hashOf(content) === ref.sha256 ? JSON.parse(content) : undefined;
};

/** What was asked, all of it; undefined: there is none, or some of it is lost. */
export const readPrompt = async (key) => {
  const stored = await read('KV_PROMPTS', `$KV.PROMPTS.${pathOf(key)}`);
  if (stored === undefined) return undefined;
  const { body, bodies = {} } = stored.value;
  for (const [part, ref] of Object.entries(bodies)) {
    const fields = await readBody(key, part, ref);
    if (fields === undefined) return undefined;
    Object.assign(body, fields);
  }
  return body;
};

/** Stores a body, and resolves to what its item says of it. */
export const writeBody = async (key, part, fields) => {
  const content = Buffer.from(JSON.stringify(fields));
  const chunks = Math.ceil(content.length / BODY_CHUNK_BYTES);
  const ref = { chunks, bytes: content.length, sha256: hashOf(content) };
  for (const [n, subject] of bodySubjects(key, part, ref).entries()) {
    const chunk = content.subarray(n * BODY_CHUNK_BYTES, (n + 1) * BODY_CHUNK_BYTES);
    await persist(() => js.publish(subject, chunk));
  }
  return ref;
};

const headOf = ({ base, tokens }) => base + tokens.length;

/** The newest record of a log, whose chunk's number is the last part of its subject (W15). */
export const readHead = async (log) => {
  const head = await read('TOKENS', `${log}.*`);
  return head && { ...head, chunk: Number(head.subject.slice(log.length + 1)) };
};

/** The chunks of the head's text, oldest first; undefined once one has expired (W24). */
export const readChunks = async (log, { chunk, value }) => {
  const chunks = [value];
  for (let end = chunk; end > 0 && chunks[0].base > 0; end -= CHUNKS_AT_ONCE) {
    const from = Math.max(0, end - CHUNKS_AT_ONCE);
    const subjects = Array.from({ length: end - from }, (_, index) => `${log}.${from + index}`);
    const found = await readEach('TOKENS', subjects);
    chunks.unshift(...found.filter(({ epoch }) => epoch === value.epoch));
  }
  const isWhole = chunks.every(({ base }, at) => base === (at === 0 ? 0 : headOf(chunks[at - 1])));
  return isWhole ? chunks : undefined;
};

/** Tokens of a generation's log by now, in its newest epoch. */
export const readSeq = async (key) => {
  const head = await readHead(logOf(key));
  return head === undefined ? 0 : headOf(head.value);
};

/** The directory entries of live workers (`*`: all). A worker that retired leaves an empty one. */
export const readWorkers = (name = '*') => readEach('KV_WORKERS', [`$KV.WORKERS.${name}`]);

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
export const append = (log, chunk, record, last) =>
  persist(async () => {
    try {
      const expect = { lastSubjectSequence: last, lastSubjectSequenceSubject: `${log}.*` };
      return (await js.publish(`${log}.${chunk}`, JSON.stringify(record), { expect })).seq;
    } catch (error) {
      if (LIMITS.includes(error.code)) throw new Refused('full');
      if (error.code !== WRONG_LAST_SEQUENCE) throw error;
      // Proves nothing by itself: what stands there may be this record, stored by an earlier try.
      const head = await readHead(log);
      if (head !== undefined && isSame(head.value, record)) return head.seq;
      if ((head?.seq ?? 0) <= last) throw error;
      throw new Refused(head.value.attempt < record.attempt ? 'behind' : 'fenced');
    }
  });

const isSame = (a, b) =>
  a.attempt === b.attempt &&
  a.epoch === b.epoch &&
  headOf(a) === headOf(b) &&
  (a.end === undefined) === (b.end === undefined);

const jobsOf = (model) => `job.${Buffer.from(model).toString('base64url')}`;
const IS_THERE = 'maximum messages per subject exceeded';

export const publishJob = (key, model, attempt) => {
  const { org, session, generation } = key;
  const job = JSON.stringify({ org, session, generation, model, attempt });
  return persist(async () => {
    const publishing = js.publish(`${jobsOf(model)}.${pathOf(key)}.${attempt}`, job);
    await publishing.catch((error) => {
      if (!error.message.includes(IS_THERE)) throw error;
    });
  });
};

/** The durable consumer that all workers of a model share. */
export const openJobs = async (model) => {
  const durable_name = `any-${createHash('sha256').update(model).digest('hex').slice(0, 24)}`;
  await jsm.consumers.add('JOBS', {
    durable_name,
    filter_subject: `${jobsOf(model)}.*.*.*.*`,
    ack_policy: AckPolicy.Explicit,
    ack_wait: 30_000_000_000,
    max_deliver: -1,
    max_ack_pending: 100_000,
  });
  return js.consumers.get('JOBS', durable_name);
};
