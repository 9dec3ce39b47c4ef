import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { StoredGeneration } from '@sluice/core';
import { cancelGeneration, createGeneration, Room } from '@sluice/lifecycle';
import type { GenerationKey } from '@sluice/protocol';
import { silentLogger, systemClock } from '@sluice/runtime';
import { SimulatedEngine } from '@sluice/simulator';
import { waitFor } from '@sluice/testkit';
import { createWorker } from '@sluice/worker';
import { keyOf } from './support/clients.ts';
import { GatedEngine } from './support/gated-engine.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const CANCELS = 200;
const GATE = 'gate';

let system: System;
let bus: Bus;
beforeEach(async () => {
  system = await startSystem();
  bus = await system.bus();
});
afterEach(() => system.close());

type Call<Args extends readonly unknown[], Result> = (...args: Args) => Promise<Result>;

/** The bus of a worker that is killed in the moment after it has answered a cancel: nothing of it arrives any more. */
const untilCancelled = (inner: Bus): Bus => {
  let isDead = false;
  const alive =
    <Args extends readonly unknown[], Result>(call: Call<Args, Result>): Call<Args, Result> =>
    (...args) =>
      isDead ? new Promise<never>(() => undefined) : call(...args);
  const { tokens, sessions, jobs, workers, control, open } = inner;
  const none = { close: () => undefined };
  return {
    ...inner,
    tokens: { ...tokens, append: alive(tokens.append) },
    sessions: { ...sessions, updateItem: alive(sessions.updateItem) },
    jobs: { ...jobs, publish: alive(jobs.publish), pull: alive(jobs.pull) },
    // Two hundred that listen to each other would be a test of something else.
    open: { ...open, list: () => Promise.resolve({ open: [], next: undefined }) },
    workers: {
      ...workers,
      announce: alive(workers.announce),
      list: () => Promise.resolve([]),
      onBeat: () => Promise.resolve(none),
      beat: (beat) => {
        if (!isDead) workers.beat(beat);
      },
    },
    control: {
      ...control,
      serve: (key, listener) =>
        control.serve(key, {
          ...listener,
          cancel: (user) => {
            const reply = listener.cancel(user);
            isDead = true;
            return reply;
          },
        }),
    },
  };
};

const itemOf = async (key: GenerationKey): Promise<StoredGeneration> => {
  const item = (await bus.sessions.item(key, key.generation))?.item;
  if (item?.kind !== 'generation') throw new Error('expected a generation');
  return item;
};

test('a cancel that was answered holds though its worker is killed right after its answer', async () => {
  const engine = new GatedEngine();
  engine.open(GATE, 1);
  // One run for each: workers that do not hear of each other would hold jobs that another one could run.
  const models = Array.from({ length: CANCELS }, (_, n) => `sim-${n}`);
  for (const [n, model] of models.entries()) {
    const options = { name: `mortal-${n}`, slots: 1, models: [model], placement: false };
    await createWorker(options, { bus: untilCancelled(bus), engine, logger: silentLogger });
  }
  const keys = Array.from({ length: CANCELS }, () => keyOf(`s-${randomUUID()}`, randomUUID()));
  const bodyOf = (n: number) => ({
    ...{ messages: [{ role: 'user', content: GATE }], model: `sim-${n}` },
    onAbandon: 'finish' as const,
  });
  const limits = { maxItemsPerSession: 1_000, maxBytesPerSession: 1e9 };
  const room = new Room({ bus, clock: systemClock, limits });
  for (const [n, key] of keys.entries()) {
    const entry = { hash: 'h', user: 'ann', createdAt: Date.now(), body: bodyOf(n) };
    await createGeneration({ bus, room }, key, entry);
  }
  const areAll = async (status: string): Promise<boolean> =>
    (await Promise.all(keys.map(itemOf))).every((item) => item.status === status);
  await waitFor(() => areAll('running'), { what: 'all to run', timeoutMs: 30_000 });

  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 0, ttftMs: 0, models }));
  for (const key of keys)
    await cancelGeneration({ bus, clock: systemClock }, key, { user: 'ann', authorize: () => undefined });
  await waitFor(() => areAll('done'), { what: 'all to end', timeoutMs: 30_000 });
  const reasons = (await Promise.all(keys.map(itemOf))).map(({ reason }) => reason);
  expect(reasons.filter((reason) => reason !== 'cancelled')).toEqual([]);
  // What each cost is written before it is taken off.
  await waitFor(async () => (await bus.open.list()).open.length === 0, { what: 'none to be open' });
}, 120_000);
