import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import { ChunkWriter, dayOf } from '@sluice/core';
import type { End, GenerationKey, UsageRecord } from '@sluice/protocol';
import {
  adoptGeneration,
  cancelGeneration,
  claimGeneration,
  createGeneration,
  finishGeneration,
  parkGeneration,
  requeueGeneration,
  reviveGeneration,
  Room,
  Sweeper,
} from '../src/index.ts';
import type { Claimed, Leaving } from '../src/index.ts';
import { backends, entryOf, newKey } from './world.ts';

let models = 0;
const END: End = {
  reason: 'stop',
  usage: { prompt_tokens: 7, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4 } },
};

describe.each(backends)('the ledger on $name', ({ start }) => {
  let bus: Bus;
  let stop: () => Promise<void>;
  let now = Date.UTC(2026, 10, 30);
  const clock = { now: () => now, setTimeout: (fn: () => void, ms: number) => setTimeout(fn, ms) };
  beforeAll(async () => {
    ({ bus, stop } = await start());
  });
  afterAll(() => stop());

  /** The ledger cannot be reached by whoever uses this bus. */
  const withoutLedger = (): Bus => ({
    ...bus,
    usage: { ...bus.usage, append: () => Promise.reject(new Error('crashed')) },
  });

  const create = async (): Promise<{ key: GenerationKey; model: string }> => {
    const [key, model] = [newKey(), `l${(models += 1)}`];
    const room = new Room({ bus, clock, limits: { maxItemsPerSession: 1_000, maxBytesPerSession: 1e9 } });
    await createGeneration({ bus, room }, key, entryOf(model));
    return { key, model };
  };

  const claim = async (model: string, worker = 'w1'): Promise<Claimed> => {
    const delivery = await bus.jobs.pull(model, 2_000, new AbortController().signal);
    if (delivery === undefined) throw new Error('expected a job');
    const judging = { isRunning: () => false, admits: () => true, standingOf: () => 'dead' as const };
    const result = await claimGeneration(delivery, { bus, clock, worker, ...judging });
    await delivery.ack();
    if (result.type !== 'claimed') throw new Error(`expected a claim, got ${result.type}`);
    return result.claimed;
  };

  const leavingOf = ({ key, item }: Claimed, tokens: readonly string[], savedTokens = 0): Leaving => ({
    ...{ key, attempt: item.attempt, tokens, at: { epoch: 0, seq: tokens.length } },
    ...{ leftAt: now, savedTokens },
  });

  /** Stores tokens now. */
  const write = async ({ key, item }: Claimed, tokens: readonly string[], end?: End): Promise<void> => {
    const head = await bus.tokens.head(key);
    const writer = new ChunkWriter(item.attempt, 0, head);
    await bus.tokens.append(key, writer.draft(tokens, now, end).draft);
  };

  /** Of every generation of these tests; the users of each are its model's. */
  const recordsOf = async (model: string): Promise<UsageRecord[]> => {
    const { org } = newKey();
    const days = [-1, 0, 1].map((more) => dayOf(now) + more);
    const pages = await Promise.all(days.map((day) => bus.usage.read(org, day)));
    return pages.flatMap(({ records }) => records).filter((record) => record.model === model);
  };

  const isOpen = async ({ generation }: GenerationKey): Promise<boolean> =>
    (await bus.open.list()).open.some(({ key }) => key.generation === generation);

  const sweep = async (): Promise<void> => {
    const deps = { bus, clock, self: 'w-self', onSwept: () => undefined };
    const sweeper = new Sweeper({
      ...deps,
      onError: (error) => {
        throw error;
      },
    });
    for (let n = 0; n < 5; n += 1) {
      await sweeper.sweep();
      now += 2_000;
    }
  };

  test('has one record of what ended, however often that is said', async () => {
    const { model } = await create();
    const claimed = await claim(model);
    now += 500;
    const leaving = leavingOf(claimed, ['a', 'b']);
    await finishGeneration(bus, leaving, END);
    await finishGeneration(bus, { ...leaving, leftAt: now + 86_400_000 }, END);
    await sweep();
    expect(await recordsOf(model)).toEqual([
      {
        ...{ v: 1, user: 'ann', model, reason: 'stop', attempts: 1, endedAt: expect.any(Number) },
        ...{ promptTokens: 7, cachedTokens: 4, completionTokens: 2, gpuMs: 500, savedTokens: 0 },
      },
    ]);
  });

  test('gets the record that a crash between the end and the ledger has left out, once', async () => {
    const { key, model } = await create();
    const claimed = await claim(model);
    await finishGeneration(withoutLedger(), leavingOf(claimed, ['a', 'b']), END);
    expect([await recordsOf(model), await isOpen(key)]).toEqual([[], true]);
    // On the day after, by two at once.
    now += 86_400_000 - 5_000;
    await Promise.all([sweep(), sweep()]);
    expect([(await recordsOf(model)).length, await isOpen(key)]).toEqual([1, false]);
    now -= 86_400_000;
  });

  test('has the time of every attempt: of one that died, as far as its log goes', async () => {
    const { key, model } = await create();
    const first = await claim(model, 'w1');
    now += 1_000;
    await write(first, ['a']);
    now += 60_000;
    await adoptGeneration({ bus, clock }, { ...key, attempt: 1 }, 'w1');
    const second = await claim(model, 'w2');
    now += 200;
    await write(second, ['b']);
    await requeueGeneration(bus, leavingOf(second, ['a', 'b']));
    now += 5_000;
    const third = await claim(model, 'w3');
    now += 30;
    await parkGeneration({ bus, clock }, leavingOf(third, ['a', 'b', 'c'], 90));
    now += 5_000;
    await reviveGeneration({ bus, clock }, key);
    const fourth = await claim(model, 'w4');
    now += 4;
    await finishGeneration(bus, leavingOf(fourth, ['a', 'b', 'c']), END);
    expect(await recordsOf(model)).toMatchObject([{ attempts: 4, gpuMs: 1_234, savedTokens: 0 }]);
  });

  test('has what nobody ran to its end, with what its stop has saved', async () => {
    const queued = await create();
    const byAnn = { user: 'ann', authorize: () => undefined };
    await cancelGeneration({ bus, clock }, queued.key, byAnn);
    const parked = await create();
    const claimed = await claim(parked.model);
    now += 10;
    await write(claimed, ['a', 'b']);
    await parkGeneration({ bus, clock }, leavingOf(claimed, ['a', 'b'], 98));
    await cancelGeneration({ bus, clock }, parked.key, byAnn);
    const [ended] = await recordsOf(queued.model);
    expect(ended).toMatchObject({ reason: 'cancelled', attempts: 0, promptTokens: 0, completionTokens: 0 });
    expect(await recordsOf(parked.model)).toMatchObject([
      { reason: 'cancelled', completionTokens: 2, gpuMs: 10, savedTokens: 98, estimated: true },
    ]);
  });

  test('has the end of a log whose worker died before it told the item, once', async () => {
    const { key, model } = await create();
    const claimed = await claim(model);
    now += 70;
    await write(claimed, ['a', 'b'], END);
    const dead = { ...key, attempt: 1 };
    await Promise.all([0, 1].map(() => adoptGeneration({ bus, clock }, dead, 'w1')));
    expect(await recordsOf(model)).toMatchObject([{ promptTokens: 7, completionTokens: 2, gpuMs: 70 }]);
  });

  test('is none that a full or missing ledger would hold up', async () => {
    const { model } = await create();
    expect(await finishGeneration(withoutLedger(), leavingOf(await claim(model), ['a']), END)).toBe(true);
    await sweep();
    expect(await recordsOf(model)).toHaveLength(1);
  });
});
