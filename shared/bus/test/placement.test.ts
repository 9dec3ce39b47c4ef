import { beforeEach, describe, expect, test } from '@jest/globals';
import { ANY_QUEUE, Placement } from '../src/index.ts';
import type { Job, RunningGeneration, WorkerInfo } from '../src/index.ts';
import { newKey } from './world.ts';

const SLOTS = 2;

let placement: Placement;
beforeEach(() => {
  placement = new Placement();
});

const runs = (count: number): RunningGeneration[] =>
  Array.from({ length: count }, () => ({ ...newKey(), attempt: 1 }));
const entry = (worker: string, running: number, more: Partial<WorkerInfo> = {}): WorkerInfo => ({
  ...{ worker, models: ['m'], slots: SLOTS, ownQueue: true, sweeps: true },
  running: runs(running),
  ...more,
});
const job = (): Job => ({ ...newKey(), model: 'm', attempt: 1 });
/** One that takes from the shared queue what it can run, and nothing more. */
const foreign = (worker: string, running: number): WorkerInfo =>
  entry(worker, running, { ownQueue: false, sweeps: false });

describe('the queue of a job', () => {
  test('is that of a worker with a free slot', () => {
    placement.learn([entry('w1', SLOTS), entry('w2', 1)]);
    expect(placement.queueFor(job())).toBe('w2');
  });

  test('is that of the worker that its session belongs to while none has a free slot: there jobs take turns', () => {
    placement.learn([entry('w1', SLOTS), entry('w2', SLOTS)]);
    const jobs = Array.from({ length: 50 }, job);
    const queues = jobs.map((each) => placement.queueFor(each));
    expect(new Set(queues)).toEqual(new Set(['w1', 'w2']));
    expect(jobs.map((each) => placement.queueFor(each))).toEqual(queues);
  });

  test('is the shared one then where a worker takes its jobs from nowhere else', () => {
    placement.learn([entry('w1', SLOTS), foreign('w2', SLOTS)]);
    expect(placement.isShared('m')).toBe(true);
    expect(placement.queueFor(job())).toBe(ANY_QUEUE);
  });

  test('is the shared one where nobody is known', () => {
    expect(placement.queueFor(job())).toBe(ANY_QUEUE);
    placement.learn([entry('w1', 0, { models: ['another'] })]);
    expect(placement.queueFor(job())).toBe(ANY_QUEUE);
  });
});

describe('another worker for a job that waits', () => {
  test('is one with a free slot, and gets no more than it has', () => {
    placement.learn([entry('w1', 0), entry('w2', 1)]);
    expect(placement.queueElsewhere(job(), 'w1')).toBe('w2');
    expect(placement.queueElsewhere(job(), 'w1')).toBeUndefined();
  });

  test('is whoever pulls the shared queue, if one of those has a free slot', () => {
    placement.learn([entry('w1', SLOTS), foreign('w2', SLOTS)]);
    expect(placement.queueElsewhere(job(), 'w1')).toBeUndefined();
    placement.learn([entry('w1', SLOTS), foreign('w2', 1)]);
    expect(placement.queueElsewhere(job(), 'w1')).toBe(ANY_QUEUE);
  });

  test('is known by its beats before the directory says so', () => {
    placement.learn([entry('w1', SLOTS), entry('w2', SLOTS)]);
    placement.hear({ worker: 'w2', running: runs(1) });
    expect(placement.queueElsewhere(job(), 'w1')).toBe('w2');
    placement.hear({ worker: 'w2', running: runs(1) });
    placement.hear({ worker: 'w2', running: runs(1), isExtra: true });
    expect(placement.queueElsewhere(job(), 'w1')).toBeUndefined();
  });
});
