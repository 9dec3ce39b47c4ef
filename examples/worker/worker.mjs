/**
 * A Sluice worker without Sluice: NATS, JSON, and an engine that counts. `W…` names the clause of docs/WORKERS.md that
 * a line keeps. It passes `sluice worker-check --model counting`.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { headers } from 'nats';
import { changeItem, js, nc, openJobs, publishJob, readSeq, readWorkers } from './nats.mjs';
import { runGeneration, stop } from './run.mjs';

const { MODEL = 'counting' } = process.env;
const NAME = `example-${randomUUID().slice(0, 8)}`;
const SLOTS = 64;
const deleted = headers();
deleted.set('KV-Operation', 'DEL');

/** What runs here, by generation. A change is told at once: who dies young shall leave a list (W3). */
const runs = new Map();
const onChange = () => beat(true);
const jobs = new Set();
let isStopping = false;

// --- presence ---

const running = () => [...runs.values()].map(({ key, item: { attempt } }) => ({ ...key, attempt }));
const entry = () => JSON.stringify({ worker: NAME, models: [MODEL], slots: SLOTS, running: running() });
const announce = () => js.publish(`$KV.WORKERS.${NAME}`, entry()).catch(() => undefined);
const retire = () => js.publish(`$KV.WORKERS.${NAME}`, '', { headers: deleted }).catch(() => undefined);
const beat = (isExtra) =>
  nc.publish('beat.workers', JSON.stringify({ worker: NAME, running: running(), isExtra }));

// --- the dead ---

/** A run whose worker died waits for another one. It counts against it, in a row where it got no further (W40). */
const adopted = async (key, item) => {
  const seq = await readSeq(key);
  const { crashes = 0, crashSeq = 0, allCrashes = crashes } = item;
  const isFurther = crashes === 0 || seq >= crashSeq + 8;
  const count = isFurther ? { crashes: 1, crashSeq: seq } : { crashes: crashes + 1 };
  return { ...item, ...count, allCrashes: allCrashes + 1, worker: undefined, status: 'queued' };
};

const takeOver = async (dead, { org, session, generation, attempt }) => {
  const key = { org, session, generation };
  const isTheirs = (item) => item.status === 'running' && item.worker === dead && item.attempt === attempt;
  const item = await changeItem(key, (found) => (isTheirs(found) ? adopted(key, found) : undefined));
  if (item !== undefined) await publishJob(key, item.model, attempt + 1);
};

/** Our own beats are the clock: while NATS is away nobody's arrive, and nobody is declared dead (W39). */
const peers = new Map();
const onBeat = (_, message) => {
  const { worker, running: theirs, isExtra } = message.json();
  if (worker !== NAME) return void peers.set(worker, { missed: 0, running: theirs });
  if (isExtra) return;
  for (const [name, peer] of peers) {
    peer.missed += 1;
    if (peer.missed < 5) continue;
    peers.delete(name);
    for (const run of peer.running) void takeOver(name, run);
  }
};

// --- jobs ---

const isId = (id) => typeof id === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(id);
const isJob = ({ org, session, generation, attempt }) =>
  [org, session, generation].every(isId) && attempt > 0;

/** Takes a job's generation: its item from then on; or `gone`: ack the job; or `leave`: somebody else has it. */
const claim = async (job, isRedelivered) => {
  let answer;
  const claimed = await changeItem(job, async (item) => {
    answer = 'gone';
    if (item.kind !== 'generation' || item.status === 'done' || item.status === 'parked') return undefined; // W7
    if (item.status === 'queued' && item.attempt >= job.attempt) return undefined; // W7
    let free = item;
    if (item.status === 'running') {
      if (item.attempt <= job.attempt) answer = 'leave';
      const isOurs = item.worker === NAME;
      const isHeard = peers.has(item.worker);
      const isHeld = isOurs ? runs.has(item.id) : isHeard || (await readWorkers(item.worker)).length > 0;
      if (!isRedelivered || isHeld) return undefined; // W6, W9
      free = await adopted(job, item); // W8
    }
    return { ...free, status: 'running', attempt: free.attempt + 1, worker: NAME }; // W4
  });
  return claimed ?? answer ?? 'gone';
};

const runJob = async (message) => {
  const working = setInterval(() => message.working(), 10_000); // W12
  try {
    const job = parse(message);
    if (!isJob(job)) return message.term('not a job'); // W11
    const { org, session, generation } = job;
    const item = await claim(job, message.redelivered || job.isOrphan === true);
    if (item === 'leave') return undefined;
    if (item === 'gone' || (await runGeneration({ org, session, generation }, item, runs, onChange)))
      await message.ackAck();
  } catch (error) {
    console.error('job failed, it will be delivered again:', error);
  } finally {
    clearInterval(working);
  }
};

const parse = (message) => {
  try {
    return message.json() ?? {};
  } catch {
    return {};
  }
};

const pull = async () => {
  const consumer = await openJobs(MODEL);
  while (!isStopping) {
    if (jobs.size >= SLOTS) await pause(20);
    // A short pull: one that hangs must not take the very job that is to replace its worker.
    const message = jobs.size < SLOTS && (await consumer.next({ expires: 1_500 }).catch(() => pause(200)));
    if (!message) continue;
    if (isStopping) {
      // It may be what we have just handed over.
      message.nak();
      return;
    }
    const job = runJob(message).finally(() => jobs.delete(job));
    jobs.add(job);
  }
};

for (const { worker, running: theirs } of await readWorkers())
  peers.set(worker, { missed: 0, running: theirs });
nc.subscribe('beat.workers', { callback: onBeat });
await announce(); // W1
const announcing = setInterval(() => void announce(), 3_000);
setInterval(beat, 1_000); // W2
const pulling = pull();
console.log(JSON.stringify({ ready: true, worker: NAME }));

/** Hands over what runs, and goes (W42). */
const leave = async () => {
  isStopping = true;
  clearInterval(announcing);
  await retire();
  for (const run of runs.values()) stop(run, 'drain');
  await pulling;
  await Promise.all(jobs);
  beat();
  await nc.drain();
  process.exit(0);
};
process.once('SIGTERM', () => void leave());
