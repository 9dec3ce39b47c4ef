/** One attempt at one generation: engine -> credit -> log, with acks and cancels coming back. */
import { setTimeout as pause } from 'node:timers/promises';
import { append, changeItem, logOf, nc, pathOf, publishJob } from './nats.mjs';
import { readChunks, readHead, readPrompt, Refused, writeBody } from './nats.mjs';

/** The engine: yields tokens, and goes on after those that are stored already. Put yours here (W13). */
async function* generate({ params = {} }, stored, signal) {
  const last = params.max_tokens ?? 200;
  for (let count = stored.length + 1; count <= last; count += 1) {
    await pause(5, undefined, { signal });
    yield `${count} `;
  }
  return { reason: 'stop', usage: { completion_tokens: last } };
}

const CHUNK_TOKENS = 32;
const NOTHING_RAN = { tokensAfterCancel: 0, msToAbort: 0 };
const MAX_INLINE_BYTES = 12 * 1024;
const CRASHED = { code: 'worker_crashed', message: 'its workers died while they ran this' };

/** Reads the log back; undefined: somebody newer writes there, or the prompt is gone (W22). */
const openRun = async (key, item) => {
  const log = logOf(key);
  const body = await readPrompt(key);
  const head = await readHead(log);
  if (body === undefined || head?.value.attempt > item.attempt) return undefined;
  const run = { key, item, log, body, end: head?.value.end, last: head?.seq ?? 0 };
  Object.assign(run, { edges: new Map(), abort: new AbortController(), aloneSince: Date.now() });
  if (head === undefined) return Object.assign(run, { epoch: 0, number: 0, base: 0, chunk: [], tokens: [] });
  const { epoch, base, tokens: chunk } = head.value;
  const chunks = await readChunks(log, head);
  // Its beginning has expired: the text begins anew (W24).
  if (chunks === undefined)
    return Object.assign(run, { epoch: epoch + 1, number: head.chunk + 1, base: 0, chunk: [], tokens: [] });
  const tokens = chunks.flatMap((record) => record.tokens);
  return Object.assign(run, { epoch, number: head.chunk, base, chunk, tokens });
};

/** Stores tokens, an end, or, without either, a claim: the chunk so far, behind the record before (W14 - W16, W23). */
const store = async (run, tokens = [], end) => {
  if (run.chunk.length === CHUNK_TOKENS && tokens.length > 0)
    Object.assign(run, { base: run.base + CHUNK_TOKENS, number: run.number + 1, chunk: [] });
  run.chunk.push(...tokens);
  run.tokens.push(...tokens);
  const { epoch, number, base, chunk } = run;
  const record = { v: 2, epoch, attempt: run.item.attempt, base, at: Date.now(), tokens: chunk, end };
  run.last = await append(run.log, number, record, run.last);
};

export const stop = (run, why) => {
  run.stop ??= { why, at: Date.now() };
  run.abort.abort();
};

const viewersOf = ({ edges }) =>
  [...edges.values()].filter(({ viewers, at }) => viewers > 0 && at > Date.now() - 15_000); // W35

/** The seq up to which tokens may be stored now: the governing ack and the lead (W27 - W30, W33). */
const limitOf = (run) => {
  const { governor, onAbandon, lead } = run.body;
  const acks = viewersOf(run).map(({ epoch, seq }) => (epoch === run.epoch ? seq : 0));
  if (governor === 'none' || (onAbandon === 'finish' && acks.length === 0)) return Infinity;
  // What was stored before counts as read, until edges report.
  const unread = run.edges.size === 0 ? run.start : 0;
  const acked = acks.length === 0 ? unread : governor === 'slowest' ? Math.min(...acks) : Math.max(...acks);
  return acked + (lead === 'strict' ? 16 : 64);
};

/** Waits until one more token may be stored, or the run is told to stop. */
const credit = async (run) => {
  for (const heldSince = Date.now(); run.stop === undefined; await pause(20)) {
    const isWatched = viewersOf(run).length > 0;
    if (isWatched) run.aloneSince = Date.now();
    const isLeft = run.body.onAbandon === 'cancel' && !isWatched;
    if (isLeft && Date.now() - run.aloneSince >= 10_000) stop(run, 'abandoned'); // W34
    if (run.tokens.length < limitOf(run)) return;
    if (!isLeft && Date.now() - heldSince >= 2_000) stop(run, 'park'); // W31
  }
};

/** Acks and cancels of this run, until it is over (W28, W36 - W38). */
const serveControl = async (run) => {
  const callback = (_, message) => {
    const control = message.json();
    if (control.type === 'ack') run.edges.set(control.edge, { ...control, at: Date.now() });
    if (control.type !== 'cancel') return;
    stop(run, 'cancelled');
    message.respond(JSON.stringify({ type: 'cancelling', attempt: run.item.attempt }));
  };
  const subscription = nc.subscribe(`ctl.${pathOf(run.key)}`, { callback });
  await nc.flush();
  return subscription;
};

/** Drives the engine; the end, or undefined when the run stops without one. */
const speak = async (run) => {
  const { crashes, allCrashes, cancelledAt } = run.item;
  if (cancelledAt !== undefined) return { reason: 'cancelled', receipt: NOTHING_RAN }; // W43
  if (crashes >= 3 || allCrashes >= 10) return { reason: 'error', error: CRASHED }; // W40
  const engine = generate(run.body, run.tokens, run.abort.signal);
  try {
    for (await credit(run); run.stop === undefined; await credit(run)) {
      const { done, value } = await engine.next();
      if (done) return value;
      await store(run, [value]);
    }
  } catch (error) {
    if (error instanceof Refused) throw error;
    if (run.stop === undefined)
      return { reason: 'error', error: { code: 'engine', message: 'the engine failed' } }; // W20
  }
  await engine.return();
  const { why, at } = run.stop;
  if (why !== 'cancelled' && why !== 'abandoned') return undefined;
  return { reason: why, receipt: { tokensAfterCancel: 0, msToAbort: Date.now() - at } };
};

/** The text as an item says it: itself, or, where it is long, its beginning and where all of it is (W44). */
const textFields = async (key, tokens) => {
  const text = tokens.join('');
  if (Buffer.byteLength(JSON.stringify(text)) <= MAX_INLINE_BYTES) return { text };
  return { preview: text.slice(0, 100), bodies: { answer: await writeBody(key, 'answer', { text }) } };
};

/** Writes into the item what became of this attempt, unless a newer one has it (W17, W31, W42). */
const settle = async ({ key, item: { attempt }, epoch, tokens, stop: told }, end) => {
  const outcome =
    end !== undefined
      ? { ...end, status: 'done' }
      : told.why === 'park'
        ? { status: 'parked', parkedAt: Date.now() }
        : { status: 'queued' };
  const said =
    outcome.status === 'queued' ? {} : { ...(await textFields(key, tokens)), epoch, seq: tokens.length };
  const written = await changeItem(key, (item) => {
    if (item.attempt !== attempt || item.status === 'done') return undefined;
    const { worker: _worker, parkedAt: _parkedAt, ...rest } = item;
    if (end !== undefined) delete rest.cancelledAt;
    const bodies = said.bodies && { ...item.bodies, ...said.bodies };
    return { ...rest, ...said, ...(bodies && { bodies }), ...outcome };
  });
  if (written?.status === 'queued') await publishJob(key, written.model, attempt + 1);
};

/**
 * Runs a claimed generation until its item says what became of it.
 * @returns whether its job is done with; false: somebody else has it
 */
export const runGeneration = async (key, item, runs, onChange) => {
  const run = await openRun(key, item);
  if (run === undefined) return false;
  run.start = run.tokens.length;
  runs.set(key.generation, run);
  onChange();
  const control = await serveControl(run);
  try {
    let { end } = run; // W18
    if (end === undefined) {
      if (item.attempt > 1) await store(run); // W23
      end = await speak(run);
      if (end !== undefined)
        end = { usage: { completion_tokens: run.tokens.length, estimated: true }, ...end };
      if (end !== undefined) await store(run, [], end); // W16
    }
    await settle(run, end);
    return true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.message === 'fenced') return false; // W21
    if (error.message === 'behind') return runGeneration(key, item, runs, onChange); // W25
    await settle(run, {
      reason: 'error',
      error: { code: 'storage_limit', message: 'the token log is full' },
    });
    return true;
  } finally {
    // A request that crosses with the end is still answered (W38).
    control.drain().catch(() => undefined);
    if (runs.get(key.generation) === run) runs.delete(key.generation);
    onChange();
  }
};
