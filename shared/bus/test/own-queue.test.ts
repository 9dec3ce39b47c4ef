import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Bus, Delivery, Job } from '../src/index.ts';
import { backends, newKey } from './world.ts';
import type { World } from './world.ts';

/** Longer than any of these tests: what comes again, comes because a queue was adopted. */
const ACK_WAIT_MS = 60_000;

const newJob = (model: string = randomUUID(), attempt = 1): Job => ({ ...newKey(), model, attempt });

const never = new AbortController().signal;

const expectJob = (delivery: Delivery | undefined): Delivery => {
  if (delivery === undefined) throw new Error('expected a job, got none');
  return delivery;
};

describe.each(backends)("a worker's own queue on $name", ({ start }) => {
  let world: World;
  let bus: Bus;
  let other: Bus;
  beforeAll(async () => {
    world = await start({ ackWaitMs: ACK_WAIT_MS });
    [bus, other] = await Promise.all([world.open(), world.open()]);
  });
  afterAll(() => world.stop());

  const pullOwn = async (worker: string): Promise<Delivery> =>
    expectJob(await bus.jobs.pullOwn(worker, 5_000, never));
  const pullShared = async (model: string): Promise<Delivery> =>
    expectJob(await other.jobs.pull(model, 5_000, never));
  const isEmpty = async (worker: string): Promise<boolean> =>
    (await other.jobs.pullOwn(worker, 50, never)) === undefined;

  test('holds jobs of any model for its worker alone', async () => {
    const worker = randomUUID();
    const jobs = [newJob(), newJob()];
    for (const job of jobs) await other.jobs.publish(job, worker);
    expect(await other.jobs.pull(jobs[0]?.model ?? '', 50, never)).toBeUndefined();
    expect(await other.jobs.pullOwn(randomUUID(), 50, never)).toBeUndefined();
    for (const job of jobs) {
      const delivery = await pullOwn(worker);
      expect(delivery).toMatchObject({ job, redelivered: false });
      await delivery.ack();
    }
  });

  test('takes the same job once, and does not count what the shared queue had', async () => {
    const worker = randomUUID();
    const job = newJob();
    await bus.jobs.publish(job);
    await Promise.all([bus.jobs.publish(job, worker), other.jobs.publish(job, worker)]);
    await (await pullOwn(worker)).ack();
    expect(await isEmpty(worker)).toBe(true);
    await (await pullShared(job.model)).ack();
  });

  test('names its worker as long as it holds a job, taken or not', async () => {
    const worker = randomUUID();
    expect(await bus.jobs.owners()).not.toContain(worker);
    await bus.jobs.publish(newJob(), worker);
    expect(await other.jobs.owners()).toContain(worker);
    const delivery = await pullOwn(worker);
    expect(await other.jobs.owners()).toContain(worker);
    await delivery.ack();
    expect(await other.jobs.owners()).not.toContain(worker);
  });

  test('is listed with the shared ones, each job until it is acked', async () => {
    const [shared, own] = [newJob('a model: with spaces/ü', 3), newJob()];
    const worker = randomUUID();
    await bus.jobs.publish(shared);
    await bus.jobs.publish(own, worker);
    expect(await other.jobs.list()).toEqual(expect.arrayContaining([shared, own]));
    const deliveries = [await pullOwn(worker), await pullShared(shared.model)];
    expect(await other.jobs.list()).toEqual(expect.arrayContaining([shared, own]));
    for (const delivery of deliveries) await delivery.ack();
    const left = await other.jobs.list();
    expect(
      left.filter(({ generation }) => [shared, own].some((job) => job.generation === generation)),
    ).toEqual([]);
  });

  test('is moved to the shared queue by who adopts it, waiting jobs and taken ones', async () => {
    const worker = randomUUID();
    const [taken, waiting] = [newJob(), newJob()];
    await bus.jobs.publish(taken, worker);
    expect((await pullOwn(worker)).job).toEqual(taken);
    await bus.jobs.publish(waiting, worker);
    expect(await other.jobs.adopt(worker)).toBe(2);
    for (const { model } of [taken, waiting]) {
      const delivery = await pullShared(model);
      // Somebody may have had it: the claim asks for the worker it names.
      expect(delivery).toMatchObject({ job: { model, isOrphan: true }, redelivered: true });
      await delivery.ack();
    }
    expect(await other.jobs.owners()).not.toContain(worker);
    expect(await other.jobs.adopt(worker)).toBe(0);
  });

  test('loses no job and doubles none when two adopt it at once', async () => {
    const worker = randomUUID();
    const model = randomUUID();
    const jobs = Array.from({ length: 120 }, () => newJob(model));
    await Promise.all(jobs.map((job) => bus.jobs.publish(job, worker)));
    // One may find that the other has taken the queue from under it; then the rest is the other's.
    await Promise.allSettled([bus.jobs.adopt(worker), other.jobs.adopt(worker)]);
    await bus.jobs.adopt(worker);
    const moved: string[] = [];
    for (let n = 0; n < jobs.length; n += 1) {
      const delivery = await pullShared(model);
      moved.push(delivery.job.generation);
      await delivery.ack();
    }
    expect(moved.toSorted()).toEqual(jobs.map(({ generation }) => generation).toSorted());
    expect(await other.jobs.pull(model, 50, never)).toBeUndefined();
  });

  test('works on for a worker that was taken for gone and is not', async () => {
    const worker = randomUUID();
    const waiting = bus.jobs.pullOwn(worker, 10_000, never);
    await other.jobs.adopt(worker);
    const job = newJob();
    await other.jobs.publish(job, worker);
    const delivery = expectJob(await waiting);
    expect(delivery.job).toEqual(job);
    await delivery.ack();
    expect(await bus.jobs.owners()).not.toContain(worker);
  });
});
