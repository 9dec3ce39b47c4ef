import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { silentLogger, systemClock } from '@sluice/runtime';
import { deferred, waitFor } from '@sluice/testkit';
import { pullUntil } from '../src/jobs/pull-loop.ts';

type Pull = { readonly bring: (came: boolean) => void; readonly fail: () => void };

/** A queue whose pulls wait until the test says what they bring. */
let pulls: Pull[];
let room: number;
let stop: AbortController;
let looping: Promise<void>;

beforeEach(() => {
  pulls = [];
  room = 100;
  stop = new AbortController();
  const pull = (): Promise<boolean> => {
    const { promise, resolve, reject } = deferred<boolean>();
    const done = (): void => void pulls.splice(pulls.indexOf(one), 1);
    const one: Pull = {
      bring: (came) => {
        done();
        resolve(came);
      },
      fail: () => {
        done();
        reject(new Error('no answer'));
      },
    };
    pulls.push(one);
    return promise;
  };
  const hasRoom = (): boolean => room > pulls.length + 1;
  looping = pullUntil({ pull, hasRoom, clock: systemClock, logger: silentLogger }, stop.signal);
});

afterEach(async () => {
  stop.abort();
  // Whatever still waits comes to its end as a real pull does.
  while (pulls.length > 0) pulls[0]?.bring(false);
  await looping;
});

const untilWaiting = (count: number) =>
  waitFor(() => pulls.length === count, { what: `${count} pulls to wait`, pollMs: 1 });
const bringAll = (came: boolean): void => {
  for (const pull of [...pulls]) pull.bring(came);
};

test('one pull waits while nothing comes', async () => {
  for (let round = 0; round < 5; round += 1) {
    await untilWaiting(1);
    bringAll(false);
  }
  await untilWaiting(1);
});

test('pulls double while jobs come, up to eight, and are one again when none come', async () => {
  for (const count of [1, 2, 4, 8, 8]) {
    await untilWaiting(count);
    bringAll(true);
  }
  await untilWaiting(8);
  bringAll(false);
  await untilWaiting(1);
});

test('no more wait than there is room for', async () => {
  room = 3;
  for (const count of [1, 2, 3]) {
    await untilWaiting(count);
    bringAll(true);
  }
  await waitFor(() => pulls.length >= 2, { what: 'the pulls to wait again' });
  expect(pulls.length).toBeLessThanOrEqual(3);
});

test('a pull that fails is followed by another, a moment later', async () => {
  await untilWaiting(1);
  pulls[0]?.fail();
  await untilWaiting(1);
});
