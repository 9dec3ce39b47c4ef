import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { StoredGeneration } from '@sluice/core';
import { waitFor } from '@sluice/testkit';
import { Quarantine } from '../src/jobs/quarantine.ts';
import { ScriptedEngine } from './support/scripted-engine.ts';
import { World, keyOf } from './support/world.ts';

/** Two workers died while they ran it, and it got no further than its twentieth token. */
const SUSPECT = { crashes: 2, crashSeq: 20, allCrashes: 2 };
const item = (count: Partial<StoredGeneration> = SUSPECT): StoredGeneration =>
  ({ id: 'g', kind: 'generation', status: 'queued', ...count }) as StoredGeneration;

describe('a quarantine', () => {
  let stored: Map<string, number>;
  let quarantine: Quarantine<string>;
  beforeEach(() => {
    stored = new Map();
    quarantine = new Quarantine((run) => stored.get(run));
  });

  test('lets in one suspect, and everybody who is none', () => {
    expect(quarantine.admits('a', item(), 0)).toBe(true);
    expect(quarantine.admits('b', item(), 0)).toBe(false);
    expect(quarantine.admits('c', item({}), 0)).toBe(true);
    expect(quarantine.admits('d', item({ crashes: 1, allCrashes: 7 }), 0)).toBe(true);
    // A claim is tried again when NATS did not answer.
    expect(quarantine.admits('a', item(), 0)).toBe(true);
  });

  test.each([
    ['has got further', () => void stored.set('a', 28)],
    ['has ended', () => quarantine.leave('a')],
  ])('lets in the next when the last %s', (_what, prove) => {
    quarantine.admits('a', item(), 0);
    stored.set('a', 27);
    expect(quarantine.admits('b', item(), 9_999)).toBe(false);
    prove();
    expect(quarantine.admits('b', item(), 9_999)).toBe(true);
    expect(quarantine.admits('c', item(), 9_999)).toBe(false);
  });

  test('lets in the next when the last has lived for ten seconds', () => {
    quarantine.admits('a', item(), 0);
    expect(quarantine.admits('b', item(), 9_999)).toBe(false);
    expect(quarantine.admits('b', item(), 10_000)).toBe(true);
  });

  test('is not left by one that was never let in', () => {
    quarantine.admits('a', item(), 0);
    quarantine.leave('b');
    expect(quarantine.admits('c', item(), 0)).toBe(false);
  });
});

describe('a worker', () => {
  const count = { attempt: 2, crashes: 2, crashSeq: 0, allCrashes: 2 };
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => world.stop());

  test('runs one suspect at a time, and holds up nobody else for it', async () => {
    await world.start('w1');
    await world.submit('first', {}, count);
    expect(await world.until('first', 'running')).toMatchObject({ worker: 'w1', attempt: 3 });
    await world.submit('second', {}, count);
    await world.submit('innocent');
    expect(await world.until('innocent', 'running')).toMatchObject({ worker: 'w1' });
    world.engine.say('first', ...Array.from({ length: 7 }, () => 'on '));
    const stored = async (): Promise<boolean> => (await world.head('first'))?.tokens.length === 7;
    await waitFor(stored, { what: 'seven tokens to be stored' });
    expect(await world.item('second')).toMatchObject({ status: 'queued', attempt: 2 });
    world.engine.say('first', 's');
    expect(await world.until('second', 'running')).toMatchObject({ worker: 'w1', attempt: 3 });
  });

  test('leaves a suspect to another worker that runs none', async () => {
    await world.start('w1');
    await world.submit('first', {}, count);
    await world.until('first', 'running');
    await world.submit('second', {}, count);
    await world.start('w2', { engine: new ScriptedEngine() });
    expect(await world.until('second', 'running')).toMatchObject({ worker: 'w2', attempt: 3 });
  });

  test('that dies after it turned a suspect away is not counted against that one', async () => {
    await world.submit('g', {}, count);
    // It beats no more, and what is known of it is that it took the job.
    const running = [{ ...keyOf('g'), attempt: 3 }];
    await world.bus.workers.announce({ worker: 'dead', models: ['m'], slots: 4, running });
    world.forgetJobs();
    await world.start('alive');
    world.engine.end('g');
    const done = await world.until('g', 'done');
    expect(done).toMatchObject({ ...count, reason: 'stop', attempt: 4, allCrashes: 3 });
  }, 15_000);
});
