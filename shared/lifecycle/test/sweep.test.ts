import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Bus, RunningGeneration } from '@sluice/bus';
import { ABANDONED_AFTER_MS } from '@sluice/core';
import type { SweepStep } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import {
  claimGeneration,
  createGeneration,
  finishGeneration,
  parkGeneration,
  Room,
  Sweeper,
} from '../src/index.ts';
import type { SweeperDeps } from '../src/index.ts';
import { backends, entryOf, itemOf, jobsOf, newKey, write } from './world.ts';

let models = 0;

/** Dies in this call, of this part of the bus. */
const dyingAt = (bus: Bus, part: 'sessions' | 'open' | 'jobs', method: string): Bus => ({
  ...bus,
  [part]: { ...bus[part], [method]: () => Promise.reject(new Error('crashed')) },
});

describe.each(backends)('a sweep on $name', ({ start }) => {
  let bus: Bus;
  let stop: () => Promise<void>;
  let now = 1_000_000;
  let swept: Map<string, SweepStep[]>;
  const clock = { now: () => now, setTimeout };
  const createOn = (on: Bus) => ({
    bus: on,
    room: new Room({ bus: on, clock, limits: { maxItemsPerSession: 1_000, maxBytesPerSession: 1e9 } }),
  });
  beforeAll(async () => {
    ({ bus, stop } = await start());
  });
  afterAll(() => stop());
  beforeEach(() => {
    swept = new Map();
  });

  /** As an edge has it: without a name. */
  const standInOf = (deps: Partial<SweeperDeps> = {}): Sweeper =>
    new Sweeper({
      ...{ bus, clock },
      onSwept: (step, { generation }) => swept.set(generation, [...(swept.get(generation) ?? []), step]),
      onError: (error) => {
        throw error;
      },
      ...deps,
    });
  const sweeperOf = (deps: Partial<SweeperDeps> = {}): Sweeper => standInOf({ self: 'w-self', ...deps });

  /** Sweeps for as long as that, as its timer would. */
  const sweepFor = async (sweeper: Sweeper, ms: number): Promise<void> => {
    for (const end = now + ms; now <= end; now += 2_000) await sweeper.sweep();
  };

  const isOpen = async ({ generation }: GenerationKey): Promise<boolean> =>
    (await bus.open.list()).open.some(({ key }) => key.generation === generation);

  const create = async (
    on = bus,
    model = `s${(models += 1)}`,
  ): Promise<{ readonly key: GenerationKey; readonly model: string }> => {
    const key = newKey();
    await createGeneration(createOn(on), key, entryOf(model)).catch((error: Error) => {
      if (error.message !== 'crashed') throw error;
    });
    return { key, model };
  };

  const claim = async ({ model }: { readonly model: string }, worker = 'w1') => {
    const delivery = await bus.jobs.pull(model, 2_000, new AbortController().signal);
    if (delivery === undefined) throw new Error('expected a job');
    const context = {
      bus,
      clock,
      worker,
      isRunning: () => false,
      admits: () => true,
      standingOf: () => 'dead' as const,
    };
    const result = await claimGeneration(delivery, context);
    await delivery.ack();
    if (result.type !== 'claimed') throw new Error(`expected a claim, got ${result.type}`);
    return result.claimed;
  };

  test.each([
    ['item', 'sessions', 'createItem'],
    ['job', 'jobs', 'publish'],
  ] as const)('finds what a crash before the %s has left, and completes it', async (_what, part, method) => {
    const { key, model } = await create(dyingAt(bus, part, method));
    await sweepFor(sweeperOf(), 8_000);
    expect(await itemOf(bus, key)).toMatchObject({ status: 'queued', attempt: 0, input: 'go' });
    expect(await jobsOf(bus, model)).toEqual([1]);
  });

  test('a crash before it is listed leaves no item that waits, and its repeat is listed', async () => {
    const { key, model } = await create(dyingAt(bus, 'open', 'add'));
    expect(await bus.sessions.item(key, key.generation)).toBeUndefined();
    expect(await createGeneration(createOn(bus), key, entryOf(model))).toEqual({ created: false });
    expect(await isOpen(key)).toBe(true);
    expect(await jobsOf(bus, model)).toEqual([1]);
  });

  test('forgets an entry without a prompt, once nobody can be about to store it', async () => {
    const { key } = await create(dyingAt(bus, 'sessions', 'createPrompt'));
    const sweeper = sweeperOf();
    await sweepFor(sweeper, 50_000);
    expect(await isOpen(key)).toBe(true);
    await sweepFor(sweeper, 30_000);
    expect(await isOpen(key)).toBe(false);
  });

  test('a generation that is done is not listed any more, or taken off where that failed', async () => {
    const [one, other] = [await create(), await create()];
    const end = { reason: 'stop' } as const;
    const leavingOf = ({ key, item }: Awaited<ReturnType<typeof claim>>) =>
      ({ key, attempt: item.attempt, at: { epoch: 0, seq: 0 }, tokens: [], leftAt: now }) as const;
    await finishGeneration(bus, leavingOf(await claim(one)), end);
    expect(await isOpen(one.key)).toBe(false);
    await finishGeneration(dyingAt(bus, 'open', 'remove'), leavingOf(await claim(other)), end);
    expect(await isOpen(other.key)).toBe(true);
    await sweepFor(sweeperOf(), 8_000);
    expect(await isOpen(other.key)).toBe(false);
  });

  test('publishes a lost job again, and one that is there not a second time', async () => {
    const model = `s${(models += 1)}`;
    for (let n = 0; n < 200; n += 1)
      await create(n % 10 === 0 ? dyingAt(bus, 'jobs', 'publish') : bus, model);
    const sweepers = [sweeperOf({ self: 'w-a' }), sweeperOf({ self: 'w-b' })];
    for (let n = 0; n < 20; n += 1) {
      await Promise.all(sweepers.map((sweeper) => sweeper.sweep()));
      now += 2_000;
    }
    expect(await jobsOf(bus, model)).toEqual(Array.from({ length: 200 }, () => 1));
  }, 60_000);

  test('ends what was parked for too long, though nobody reads it', async () => {
    const made = await create();
    const { key, item } = await claim(made);
    const leaving = { key, attempt: item.attempt, at: { epoch: 0, seq: 1 }, tokens: ['a'], leftAt: now };
    await parkGeneration({ bus, clock }, leaving);
    const sweeper = sweeperOf();
    await sweepFor(sweeper, 20_000);
    expect(await itemOf(bus, key)).toMatchObject({ status: 'parked' });
    now += ABANDONED_AFTER_MS;
    await sweepFor(sweeper, 2_000);
    expect(await itemOf(bus, key)).toMatchObject({ status: 'done', reason: 'abandoned', text: 'a' });
    expect(await isOpen(key)).toBe(false);
  });

  describe('of a run', () => {
    const running = (...runs: RunningGeneration[]) => ({ running: () => runs });
    const isGone = (worker: string): boolean => worker === 'w-dead';

    test('takes it from a worker that nobody hears, and from nobody else', async () => {
      const [dead, live] = [await create(), await create()];
      await claim(dead, 'w-dead');
      await claim(live, 'w-live');
      const sweeper = sweeperOf({ ...running({ ...live.key, attempt: 1 }), isGone });
      await sweepFor(sweeper, 40_000);
      expect(await itemOf(bus, dead.key)).toMatchObject({ status: 'queued', crashes: 1 });
      expect(await jobsOf(bus, dead.model)).toEqual([2]);
      expect(await itemOf(bus, live.key)).toMatchObject({ status: 'running', worker: 'w-live' });
      // A run that is heard of costs no look.
      expect(swept.get(live.key.generation)).toBeUndefined();
    });

    test('takes it from a worker that lives and does not say that it runs it, at the second look', async () => {
      const made = await create();
      await claim(made, 'w-live');
      const sweeper = sweeperOf({ ...running(), isGone });
      await sweepFor(sweeper, 8_000);
      expect(await itemOf(bus, made.key)).toMatchObject({ status: 'running', worker: 'w-live' });
      await sweepFor(sweeper, 10_000);
      expect(await itemOf(bus, made.key)).toMatchObject({ status: 'queued', attempt: 1 });
    });

    test('leaves it to its worker while nobody knows who lives', async () => {
      const made = await create();
      await claim(made, 'w-dead');
      await sweepFor(sweeperOf({ running: () => undefined, isGone }), 40_000);
      await sweepFor(sweeperOf(), 40_000);
      expect(await itemOf(bus, made.key)).toMatchObject({ status: 'running', worker: 'w-dead' });
    });

    test('writes the end that its log has, though no worker is left', async () => {
      const made = await create();
      await claim(made, 'w-dead');
      await write(bus, made.key, 1, { tokens: ['a'], end: { reason: 'stop' } });
      await sweepFor(sweeperOf({ ...running(), isGone }), 10_000);
      const item = await itemOf(bus, made.key);
      expect(item).toMatchObject({ status: 'done', reason: 'stop', text: 'a' });
      expect(item).not.toHaveProperty('crashes');
    });
  });

  describe('shared by many', () => {
    const announce = (worker: string, sweeps = true): Promise<void> =>
      bus.workers.announce({ worker, models: [], slots: 1, sweeps, running: [] });

    test('looks at each generation once, and at those of one that has left', async () => {
      const names = ['w-a', 'w-b', 'w-c'];
      await Promise.all(names.map((name) => announce(name)));
      const made = await Promise.all(Array.from({ length: 30 }, () => create()));
      const looks = new Map<string, string[]>();
      const sweepers = names.map((self) =>
        sweeperOf({
          self,
          onSwept: (_step, { generation }) => looks.set(generation, [...(looks.get(generation) ?? []), self]),
        }),
      );
      const round = async (): Promise<void> => {
        for (let n = 0; n < 4; n += 1) {
          await Promise.all(sweepers.map((sweeper) => sweeper.sweep()));
          now += 2_000;
        }
      };
      await round();
      for (const { key } of made) expect(looks.get(key.generation)).toHaveLength(1);
      await bus.workers.retire('w-a');
      sweepers.shift();
      looks.clear();
      await round();
      for (const { key } of made) expect(looks.get(key.generation)).toHaveLength(1);
      for (const name of names) await bus.workers.retire(name);
    });

    test('is an edge’s only where no worker sweeps', async () => {
      const made = await create(dyingAt(bus, 'jobs', 'publish'));
      await announce('w-a');
      await announce('w-other', false);
      const standIn = standInOf();
      await sweepFor(standIn, 20_000);
      expect(swept.size).toBe(0);
      await bus.workers.retire('w-a');
      await sweepFor(standIn, 10_000);
      expect(swept.get(made.key.generation)).toContain('queue');
      expect(await jobsOf(bus, made.model)).toEqual([1]);
      await bus.workers.retire('w-other');
    });
  });

  test('of nothing is one list and no more', async () => {
    for (const { key } of (await bus.open.list()).open) await bus.open.remove(key);
    const calls: string[] = [];
    const counted = <Part extends object>(name: string, part: Part): Part =>
      new Proxy(part, {
        get: (target, method, receiver) => {
          calls.push(`${name}.${String(method)}`);
          return Reflect.get(target, method, receiver) as unknown;
        },
      });
    const watched: Bus = {
      ...bus,
      ...{ open: counted('open', bus.open), workers: counted('workers', bus.workers) },
      ...{ sessions: counted('sessions', bus.sessions), jobs: counted('jobs', bus.jobs) },
    };
    const sweeper = sweeperOf({ bus: watched });
    await sweepFor(sweeper, 20_000);
    expect(new Set(calls)).toEqual(new Set(['open.list']));
    expect(calls.length).toBeLessThanOrEqual(11);
  });
});
