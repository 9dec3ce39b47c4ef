import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { withTimeout } from '@sluice/testkit';
import type { Bus, Delivery, Job } from '../src/index.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

/** Short, so that redelivery can be awaited; long against a slow machine's round trips. */
const ACK_WAIT_MS = 2_000;
/** "At once" for a delivery: far below the ack wait and below the requests that a wait consists of. */
const AT_ONCE_MS = 1_000;

const newJob = (model: string = randomUUID(), attempt = 1): Job => ({ ...newKey(), model, attempt });

const never = new AbortController().signal;

const pullOne = async (bus: Bus, model: string, waitMs = 5_000): Promise<Delivery> => {
  const delivery = await bus.jobs.pull(model, waitMs, never);
  if (delivery === undefined) throw new Error(`expected a job within ${waitMs} ms`);
  return delivery;
};

const isEmpty = async (bus: Bus, model: string, waitMs = 50): Promise<boolean> =>
  (await bus.jobs.pull(model, waitMs, never)) === undefined;

const elapsed = async (run: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await run();
  return performance.now() - start;
};

describe.each(backends)('JobQueue on $name', ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  beforeAll(async () => {
    world = await start({ ackWaitMs: ACK_WAIT_MS });
    [bus, other] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  test('a job is delivered as it was published', async () => {
    const job = newJob();
    await other.jobs.publish(job);
    const delivery = await pullOne(bus, job.model);
    expect(delivery.job).toEqual(job);
    expect(delivery.redelivered).toBe(false);
    await delivery.ack();
  });

  test('jobs of a model come in the order they were published', async () => {
    const model = randomUUID();
    const jobs = Array.from({ length: 20 }, () => newJob(model));
    for (const job of jobs) await bus.jobs.publish(job);
    for (const job of jobs) {
      const delivery = await pullOne(bus, model);
      expect(delivery.job).toEqual(job);
      await delivery.ack();
    }
  });

  test('a job published twice is delivered once, its next attempt again', async () => {
    const job = newJob();
    await Promise.all([bus.jobs.publish(job), other.jobs.publish(job), bus.jobs.publish(job)]);
    const first = await pullOne(bus, job.model);
    await other.jobs.publish(job);
    await first.ack();
    expect(await isEmpty(bus, job.model)).toBe(true);
    await bus.jobs.publish({ ...job, attempt: 2 });
    const delivery = await pullOne(bus, job.model);
    expect(delivery.job.attempt).toBe(2);
    await delivery.ack();
  });

  test('the same generation id of two orgs is two jobs', async () => {
    const job = newJob();
    await bus.jobs.publish(job);
    await bus.jobs.publish({ ...job, org: newKey().org });
    const orgs = new Set<string>();
    for (let n = 0; n < 2; n += 1) {
      const delivery = await pullOne(bus, job.model);
      orgs.add(delivery.job.org);
      await delivery.ack();
    }
    expect(orgs.size).toBe(2);
  });

  test('a job goes to no other model', async () => {
    const job = newJob();
    await bus.jobs.publish(job);
    expect(await isEmpty(bus, randomUUID())).toBe(true);
    await (await pullOne(bus, job.model)).ack();
  });

  test('a model may be named anything of 200 characters', async () => {
    const model = '🦙/llama 3.1:*.>\t'.repeat(20).slice(0, 200);
    const job = newJob(model);
    await bus.jobs.publish(job);
    const delivery = await pullOne(other, model);
    expect(delivery.job).toEqual(job);
    await delivery.ack();
  });

  test('a pull that waits gets a job as soon as it is published', async () => {
    const model = randomUUID();
    await isEmpty(bus, model);
    const waits = [];
    for (let n = 0; n < 10; n += 1) {
      const pulling = pullOne(bus, model);
      const published = performance.now();
      await other.jobs.publish(newJob(model));
      const delivery = await pulling;
      waits.push(performance.now() - published);
      await delivery.ack();
    }
    waits.sort((a, b) => a - b);
    console.info(`publish to delivery: median ${waits[5]?.toFixed(1)} ms, worst ${waits[9]?.toFixed(1)} ms`);
    expect(waits[5]).toBeLessThan(100);
  });

  test('a pull without a job ends when its time is over', async () => {
    const ms = await elapsed(async () => expect(await isEmpty(bus, randomUUID(), 300)).toBe(true));
    expect(ms).toBeGreaterThanOrEqual(290);
    expect(ms).toBeLessThan(1_000);
  });

  test('an aborted pull ends at once', async () => {
    const abort = new AbortController();
    const pulling = bus.jobs.pull(randomUUID(), 60_000, abort.signal);
    abort.abort();
    expect(await withTimeout(pulling, AT_ONCE_MS, 'the aborted pull to end')).toBeUndefined();
    expect(await bus.jobs.pull(randomUUID(), 60_000, abort.signal)).toBeUndefined();
  });

  test('a job published after an aborted pull goes to the next pull at once', async () => {
    const model = randomUUID();
    await isEmpty(bus, model);
    for (let n = 0; n < 5; n += 1) {
      const abort = new AbortController();
      const aborted = bus.jobs.pull(model, 60_000, abort.signal);
      setImmediate(() => abort.abort());
      await aborted;
      await other.jobs.publish(newJob(model));
      const ms = await elapsed(async () => (await pullOne(bus, model)).ack());
      expect(ms).toBeLessThan(AT_ONCE_MS);
    }
  });

  test('a job published at the moment of an abort is never lost', async () => {
    const model = randomUUID();
    await isEmpty(bus, model);
    const jobs = new Set<string>();
    for (let n = 0; n < 40; n += 1) {
      const abort = new AbortController();
      const job = newJob(model);
      const pulling = bus.jobs.pull(model, 60_000, abort.signal);
      const published = other.jobs.publish(job);
      setTimeout(() => abort.abort(), n % 4);
      const caught = await pulling;
      await published;
      const start = performance.now();
      const delivery = caught ?? (await pullOne(bus, model));
      expect(performance.now() - start).toBeLessThan(AT_ONCE_MS);
      expect(delivery.job).toEqual(job);
      await delivery.ack();
      jobs.add(delivery.job.generation);
    }
    expect(jobs.size).toBe(40);
    expect(await isEmpty(bus, model)).toBe(true);
  });

  test('a job that is not acked comes again after the ack wait, and not before', async () => {
    const job = newJob();
    await bus.jobs.publish(job);
    await pullOne(bus, job.model);
    const ms = await elapsed(async () => {
      const again = await pullOne(other, job.model);
      expect(again.job).toEqual(job);
      expect(again.redelivered).toBe(true);
      await again.ack();
    });
    expect(ms).toBeGreaterThan(ACK_WAIT_MS * 0.8);
  });

  test('`working` keeps a job from coming again', async () => {
    const job = newJob();
    await bus.jobs.publish(job);
    const delivery = await pullOne(bus, job.model);
    const beat = setInterval(() => delivery.working(), ACK_WAIT_MS / 5);
    expect(await isEmpty(other, job.model, ACK_WAIT_MS * 1.5)).toBe(true);
    clearInterval(beat);
    const again = await pullOne(other, job.model);
    expect(again.job).toEqual(job);
    await again.ack();
  });

  test('an acked job does not come again', async () => {
    const job = newJob();
    await bus.jobs.publish(job);
    const delivery = await pullOne(bus, job.model);
    await delivery.ack();
    delivery.working();
    delivery.nak();
    expect(await isEmpty(other, job.model, ACK_WAIT_MS * 1.5)).toBe(true);
  });

  test('a job for a pull that was given up is handed back though its bus closes', async () => {
    // With an ack wait that nobody sits out: a job that is taken along does not come in time.
    const calm = await start({ ackWaitMs: 60_000 });
    const staying = await calm.open();
    const round = async (): Promise<void> => {
      const model = randomUUID();
      await isEmpty(staying, model);
      const leaving = await calm.open();
      const abort = new AbortController();
      const pulling = leaving.jobs.pull(model, 1_000, abort.signal);
      // The request is on its way to the server after some answers from there.
      for (let n = 0; n < 3; n += 1) await leaving.workers.list();
      abort.abort();
      await pulling;
      const job = newJob(model);
      await Promise.all([staying.jobs.publish(job), leaving.close()]);
      const delivery = await pullOne(staying, model, 10_000);
      expect(delivery.job).toEqual(job);
      await delivery.ack();
    };
    await Promise.all(Array.from({ length: 20 }, round));
    await calm.stop();
  }, 30_000);

  test('a job handed back comes again at once, to whoever pulls', async () => {
    const job = newJob();
    await bus.jobs.publish(job);
    (await pullOne(bus, job.model)).nak();
    const ms = await elapsed(async () => {
      const again = await pullOne(other, job.model);
      expect(again).toMatchObject({ job, redelivered: true });
      await again.ack();
    });
    expect(ms).toBeLessThan(AT_ONCE_MS);
  });

  test('a job handed back with a delay comes again after it', async () => {
    const job = newJob();
    await bus.jobs.publish(job);
    (await pullOne(bus, job.model)).nak(400);
    const ms = await elapsed(async () => (await pullOne(other, job.model)).ack());
    expect(ms).toBeGreaterThan(350);
    expect(ms).toBeLessThan(ACK_WAIT_MS);
  });

  test('workers that pull at once never share a job', async () => {
    const model = randomUUID();
    const taken: string[] = [];
    const work = async (worker: Bus): Promise<void> => {
      for (;;) {
        const delivery = await worker.jobs.pull(model, 400, never);
        if (delivery === undefined) return;
        taken.push(delivery.job.generation);
        await delivery.ack();
      }
    };
    const workers = [bus, other, bus, other].map(work);
    const jobs = Array.from({ length: 100 }, () => newJob(model));
    await Promise.all(jobs.map((job) => bus.jobs.publish(job)));
    await Promise.all(workers);
    expect(taken.toSorted()).toEqual(jobs.map(({ generation }) => generation).toSorted());
  });
});
