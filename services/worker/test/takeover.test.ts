import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Placement } from '@sluice/bus';
import { fnv1a } from '@sluice/core';
import { silentLogger, systemClock } from '@sluice/runtime';
import { waitFor } from '@sluice/testkit';
import { Takeover } from '../src/peers/takeover.ts';
import { WorkerTally } from '../src/tally/worker-tally.ts';
import { World, keyOf } from './support/world.ts';

const SELF = 'a';
const NEWCOMER = 'z';
/** A name for which the second of two workers is the one to act. */
const DEAD = ['d1', 'd2', 'd3', 'd4', 'd5', 'd6'].find((name) => fnv1a(name) % 2 === 1) as string;

let world: World;
let tally: WorkerTally;
let takeover: Takeover;
let canHear: boolean;
beforeEach(async () => {
  world = new World();
  canHear = true;
  tally = new WorkerTally();
  takeover = new Takeover({
    ...{ bus: world.bus, clock: systemClock, logger: silentLogger, tally },
    ...{ placement: new Placement(), worker: SELF },
    connectivity: { upFor: () => (canHear ? Infinity : 0) },
  });
  await takeover.start();
  await world.submit('g', {}, { status: 'running', attempt: 1, worker: DEAD });
});
afterEach(() => {
  takeover.close();
});

const beat = (worker: string, ...running: string[]): void =>
  world.bus.workers.beat({ worker, running: running.map((id) => ({ ...keyOf(id), attempt: 1 })) });

/** Lets a second pass for everybody who lives. */
const second = (...living: string[]): void => [...living, SELF].forEach((worker) => beat(worker));

test('of two workers that both saw another die one acts, and it is not this one', async () => {
  beat(NEWCOMER);
  second(NEWCOMER);
  beat(DEAD, 'g');
  for (let beats = 0; beats < 3; beats += 1) second(NEWCOMER);
  expect(await world.item('g')).toMatchObject({ status: 'running', worker: DEAD });
  // The other one does not do it.
  second(NEWCOMER);
  expect(await world.until('g', 'queued')).toMatchObject({ attempt: 1, crashes: 1 });
});

test('a peer that takes longer than this one to find NATS again is not declared dead', async () => {
  beat(DEAD, 'g');
  for (let beats = 0; beats < 2; beats += 1) second();
  canHear = false;
  for (let beats = 0; beats < 10; beats += 1) second();
  canHear = true;
  for (let beats = 0; beats < 2; beats += 1) second();
  expect(await world.item('g')).toMatchObject({ status: 'running', worker: DEAD });
  second();
  expect(await world.until('g', 'queued')).toMatchObject({ crashes: 1 });
});

test('a worker that came after the death is not waited for: it knows of it too late', async () => {
  beat(DEAD, 'g');
  for (let beats = 0; beats < 3; beats += 1) second(NEWCOMER);
  await waitFor(() => tally.takenOver === 1, { what: 'this worker to take over' });
  expect(await world.item('g')).toMatchObject({ status: 'queued', attempt: 1, crashes: 1 });
});
