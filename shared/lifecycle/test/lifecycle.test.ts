import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bus, Delivery } from '@sluice/bus';
import type { GenerationKey } from '@sluice/protocol';
import {
  adoptGeneration,
  cancelGeneration,
  claimGeneration,
  createGeneration,
  endGeneration,
  finishGeneration,
  parkGeneration,
  recoverGeneration,
  requeueGeneration,
  reviveGeneration,
  Room,
} from '../src/index.ts';
import type { Claimed, Leaving } from '../src/index.ts';
import {
  backends,
  entryOf,
  itemOf,
  jobsOf,
  losingAnswer,
  newKey,
  repeated,
  withPrompt,
  write,
} from './world.ts';

let models = 0;

describe.each(backends)('a life on $name', ({ start }) => {
  let bus: Bus;
  let room: Room;
  let stop: () => Promise<void>;
  let now = 1_000;
  const clock = { now: () => now, setTimeout: (fn: () => void, ms: number) => setTimeout(fn, ms) };
  beforeAll(async () => {
    ({ bus, stop } = await start());
    room = new Room({ bus, clock, limits: { maxItemsPerSession: 1_000, maxBytesPerSession: 1e9 } });
  });
  afterAll(() => stop());

  const create = async (): Promise<{ readonly key: GenerationKey; readonly model: string }> => {
    const [key, model] = [newKey(), `m${(models += 1)}`];
    await createGeneration({ bus, room }, key, entryOf(model));
    return { key, model };
  };
  const pull = async (model: string): Promise<Delivery> => {
    const delivery = await bus.jobs.pull(model, 2_000, new AbortController().signal);
    if (delivery === undefined) throw new Error('expected a job');
    return delivery;
  };
  const claimFrom = async (model: string, worker = 'w1'): Promise<Claimed> => {
    const delivery = await pull(model);
    const judging = { isRunning: () => false, admits: () => true, standingOf: () => 'dead' as const };
    const context = { bus, clock, worker, ...judging };
    const result = await claimGeneration(delivery, context);
    await delivery.ack();
    if (result.type !== 'claimed') throw new Error(`expected a claim, got ${result.type}`);
    return result.claimed;
  };
  const leavingOf = ({ key, item }: Claimed, tokens: readonly string[]): Leaving => ({
    ...{ key, attempt: item.attempt, tokens, leftAt: clock.now() },
    at: { epoch: 0, seq: tokens.length },
  });

  test('begins with a prompt, an item and a job, and a repeat adds nothing', async () => {
    const { key, model } = await create();
    expect(await createGeneration({ bus, room }, key, entryOf(model))).toEqual({ created: false });
    expect(await itemOf(bus, key)).toMatchObject({ status: 'queued', attempt: 0, input: 'go' });
    expect(await jobsOf(bus, model)).toEqual([1]);
  });

  test('is not begun again with another body', async () => {
    const { key, model } = await create();
    await expect(createGeneration({ bus, room }, key, entryOf(model, 'other'))).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  test('is not begun again either once its prompt has expired: its item knows what was asked', async () => {
    const { key, model } = await create();
    const claimed = await claimFrom(model);
    await finishGeneration(bus, leavingOf(claimed, ['a']), { reason: 'stop' });
    const expired = withPrompt(bus, undefined);
    const other = entryOf(model, 'other');
    await expect(createGeneration({ bus: expired, room }, key, other)).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(await createGeneration({ bus: expired, room }, key, entryOf(model))).toEqual({ created: false });
    expect(await itemOf(bus, key)).toMatchObject({ status: 'done', text: 'a' });
    // What the one that was refused has left does not count.
    const refused = withPrompt(bus, other);
    expect(await createGeneration({ bus: refused, room }, key, entryOf(model))).toEqual({ created: false });
    await expect(createGeneration({ bus: refused, room }, key, other)).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  test('is claimed once, with the text that is stored', async () => {
    const { key, model } = await create();
    const first = await claimFrom(model);
    expect(first).toMatchObject({ item: { status: 'running', attempt: 1, worker: 'w1' }, prefix: [] });
    await write(bus, key, 1, { tokens: ['a', 'b'] });
    expect(await requeueGeneration(bus, leavingOf(first, ['a', 'b']))).toBe(true);
    expect(await claimFrom(model, 'w2')).toMatchObject({ item: { attempt: 2 }, prefix: ['a', 'b'] });
  });

  test('ends with the text of its attempt, and not a second time', async () => {
    const { key, model } = await create();
    const claimed = await claimFrom(model);
    expect(await finishGeneration(bus, leavingOf(claimed, ['a']), { reason: 'stop' })).toBe(true);
    expect(await finishGeneration(bus, leavingOf(claimed, ['b']), { reason: 'length' })).toBe(false);
    expect(await itemOf(bus, key)).toMatchObject({ status: 'done', reason: 'stop', text: 'a', seq: 1 });
  });

  test('is parked with its text and revived by a viewer', async () => {
    const { key, model } = await create();
    expect(await parkGeneration({ bus, clock }, leavingOf(await claimFrom(model), ['a']))).toBe(true);
    expect(await itemOf(bus, key)).toMatchObject({ status: 'parked', text: 'a', parkedAt: now });
    await reviveGeneration({ bus, clock }, key);
    await reviveGeneration({ bus, clock }, key);
    expect(await itemOf(bus, key)).toMatchObject({ status: 'queued' });
    expect(await jobsOf(bus, model)).toEqual([2]);
  });

  test('ends as abandoned when it was parked for too long', async () => {
    const { key, model } = await create();
    await parkGeneration({ bus, clock }, leavingOf(await claimFrom(model), ['a']));
    now += 16 * 60_000;
    await reviveGeneration({ bus, clock }, key);
    expect(await itemOf(bus, key)).toMatchObject({ status: 'done', reason: 'abandoned', text: 'a' });
    expect(await jobsOf(bus, model)).toEqual([]);
  });

  test('is parked with a text of any length, which is whole when it ends after its log', async () => {
    const { key, model } = await create();
    const text = 'é'.repeat(100_000);
    await parkGeneration({ bus, clock }, leavingOf(await claimFrom(model), [text]));
    const parked = await itemOf(bus, key);
    expect(parked).toMatchObject({ status: 'parked', bodies: { answer: { chunks: 1 } } });
    const append: Bus['tokens']['append'] = () => Promise.resolve({ type: 'limit', detail: '10077' });
    const tokens = { ...bus.tokens, append, head: () => Promise.resolve(undefined) };
    await endGeneration({ bus: { ...bus, tokens }, clock }, key, { reason: 'abandoned' });
    const done = await itemOf(bus, key);
    expect(done.bodies).toEqual(parked.bodies);
    expect(await bus.sessions.whole(key, done)).toMatchObject({ status: 'done', text, seq: 1 });
  });

  test('that goes on leaves nothing of its text in the item', async () => {
    const { key, model } = await create();
    await parkGeneration({ bus, clock }, leavingOf(await claimFrom(model), ['x'.repeat(30_000)]));
    await reviveGeneration({ bus, clock }, key);
    const item = await itemOf(bus, key);
    expect(item).toMatchObject({ status: 'queued' });
    expect(item).not.toHaveProperty('bodies');
    expect(item).not.toHaveProperty('preview');
  });

  test('is queued again when its worker dies, which counts, and ended when it killed three', async () => {
    const { key, model } = await create();
    for (let crash = 1; crash <= 3; crash += 1) {
      const { item } = await claimFrom(model);
      const run = { ...key, attempt: item.attempt };
      const adopted = await adoptGeneration({ bus, clock }, run, 'w1');
      expect(adopted).toMatchObject(crash < 3 ? { status: 'queued', crashes: crash } : { status: 'done' });
      expect(await adoptGeneration({ bus, clock }, { ...run, attempt: 99 }, 'w1')).toBeUndefined();
    }
    expect(await itemOf(bus, key)).toMatchObject({ reason: 'error', error: { code: 'worker_crashed' } });
    expect(await jobsOf(bus, model)).toEqual([]);
  });

  test('ends for good where nobody runs it: the worker that only seemed dead is fenced', async () => {
    const { key, model } = await create();
    const claimed = await claimFrom(model);
    await write(bus, key, 1, { tokens: ['a'] });
    expect(await endGeneration({ bus, clock }, key, { reason: 'cancelled' })).toMatchObject({ text: 'a' });
    expect((await bus.tokens.head(key))?.record).toMatchObject({ attempt: 2, end: { reason: 'cancelled' } });
    await expect(write(bus, key, 1, { tokens: ['b'] })).rejects.toThrow('attempt');
    expect(await finishGeneration(bus, leavingOf(claimed, ['a']), { reason: 'stop' })).toBe(false);
  });

  test('an end that the log has stands, whatever end comes later', async () => {
    const { key, model } = await create();
    await claimFrom(model);
    await write(bus, key, 1, { tokens: ['a'], end: { reason: 'stop' } });
    expect(await endGeneration({ bus, clock }, key, { reason: 'cancelled' })).toMatchObject({
      reason: 'stop',
    });
  });

  test('is cancelled before anybody claims it, by whoever may', async () => {
    const { key } = await create();
    const refuse = (): never => {
      throw new TypeError('not yours');
    };
    await expect(cancelGeneration({ bus, clock }, key, { user: 'eve', authorize: refuse })).rejects.toThrow(
      'not yours',
    );
    await cancelGeneration({ bus, clock }, key, { user: 'ann', authorize: () => undefined });
    expect(await itemOf(bus, key)).toMatchObject({ status: 'done', reason: 'cancelled' });
    await expect(
      cancelGeneration({ bus, clock }, newKey(), { user: 'ann', authorize: () => undefined }),
    ).rejects.toMatchObject({ code: 'not_found' });
  });

  describe('whose cancel was answered by its worker', () => {
    /** Claimed by a worker that answers and does no more. */
    const cancelled = async (): Promise<{ readonly claimed: Claimed; readonly model: string }> => {
      const { key, model } = await create();
      const claimed = await claimFrom(model);
      const control = await bus.control.serve(key, {
        ack: () => undefined,
        cancel: () => ({ type: 'cancelling', attempt: 1 }),
      });
      await cancelGeneration({ bus, clock }, key, { user: 'ann', authorize: () => undefined });
      control.close();
      return { claimed, model };
    };

    test('ends as cancelled when that worker dies before it has stopped', async () => {
      const { claimed, model } = await cancelled();
      await write(bus, claimed.key, 1, { tokens: ['a'] });
      await adoptGeneration({ bus, clock }, { ...claimed.key, attempt: 1 }, 'w1');
      const item = await itemOf(bus, claimed.key);
      expect(item).toMatchObject({ status: 'done', reason: 'cancelled', text: 'a' });
      expect(item).not.toHaveProperty('cancelledAt');
      expect(await jobsOf(bus, model)).toEqual([]);
    });

    test('ends as cancelled when that worker hands it over: no other one runs it', async () => {
      const { claimed, model } = await cancelled();
      await requeueGeneration(bus, leavingOf(claimed, ['a']));
      const context = {
        bus,
        clock,
        worker: 'w2',
        isRunning: () => false,
        admits: () => true,
        standingOf: () => 'dead' as const,
      };
      expect(await claimGeneration(await pull(model), context)).toEqual({ type: 'gone' });
      expect(await itemOf(bus, claimed.key)).toMatchObject({ status: 'done', reason: 'cancelled' });
    });

    test('ends as cancelled when that worker has parked it and a viewer is back', async () => {
      const { claimed, model } = await cancelled();
      await parkGeneration({ bus, clock }, leavingOf(claimed, ['a']));
      await reviveGeneration({ bus, clock }, claimed.key);
      expect(await itemOf(bus, claimed.key)).toMatchObject({ status: 'done', reason: 'cancelled' });
      expect(await jobsOf(bus, model)).toEqual([]);
    });

    test('ends as its worker says when that has stopped', async () => {
      const { claimed } = await cancelled();
      const receipt = { tokensAfterCancel: 3, msToAbort: 5 };
      expect(await finishGeneration(bus, leavingOf(claimed, ['a']), { reason: 'cancelled', receipt })).toBe(
        true,
      );
      expect(await itemOf(bus, claimed.key)).toMatchObject({ reason: 'cancelled', receipt });
    });
  });

  describe('whose write was stored and whose answer was lost', () => {
    test.each([
      ['handed over', requeueGeneration],
      ['left by an engine that died', recoverGeneration],
    ])('is %s with a job all the same', async (_what, queue) => {
      const { key, model } = await create();
      const leaving = leavingOf(await claimFrom(model), []);
      const lossy = losingAnswer(bus);
      expect(await repeated(() => queue(lossy, leaving))).toBe(true);
      expect(await itemOf(bus, key)).toMatchObject({ status: 'queued', attempt: 1 });
      expect(await jobsOf(bus, model)).toEqual([2]);
    });

    test('is parked, finished or revived all the same', async () => {
      const { key, model } = await create();
      const leaving = leavingOf(await claimFrom(model), ['a']);
      const [parking, reviving] = [losingAnswer(bus), losingAnswer(bus)];
      expect(await repeated(() => parkGeneration({ bus: parking, clock }, leaving))).toBe(true);
      await repeated(() => reviveGeneration({ bus: reviving, clock }, key));
      expect(await jobsOf(bus, model)).toEqual([2]);
    });

    test('is queued again with a job when its worker is dead', async () => {
      const { key, model } = await create();
      await claimFrom(model);
      const lossy = losingAnswer(bus);
      await repeated(() => adoptGeneration({ bus: lossy, clock }, { ...key, attempt: 1 }, 'w1'));
      expect(await itemOf(bus, key)).toMatchObject({ status: 'queued', crashes: 1 });
      expect(await jobsOf(bus, model)).toEqual([2]);
    });
  });

  test('ends in its item alone where the log is full', async () => {
    const { key, model } = await create();
    await claimFrom(model);
    const append: Bus['tokens']['append'] = () => Promise.resolve({ type: 'limit', detail: '10077' });
    const full = { ...bus, tokens: { ...bus.tokens, append } };
    const error = { code: 'worker_crashed', message: 'x' };
    await endGeneration({ bus: full, clock }, key, { reason: 'error', error });
    expect(await itemOf(bus, key)).toMatchObject({ status: 'done', error });
  });

  test('tells its usage also where no worker ends it', async () => {
    const cancel = (key: GenerationKey): Promise<void> =>
      cancelGeneration({ bus, clock }, key, { user: 'ann', authorize: () => undefined });
    const { key: queued } = await create();
    await cancel(queued);
    const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, estimated: true };
    expect(await itemOf(bus, queued)).toMatchObject({ reason: 'cancelled', usage });

    const { key: parked, model } = await create();
    const claimed = await claimFrom(model);
    await write(bus, parked, 1, { tokens: ['a', 'b'] });
    await parkGeneration({ bus, clock }, leavingOf(claimed, ['a', 'b']));
    await cancel(parked);
    const made = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, estimated: true };
    expect(await itemOf(bus, parked)).toMatchObject({ reason: 'cancelled', usage: made });
    expect((await bus.tokens.head(parked))?.record.end).toMatchObject({ usage: made });
  });

  test('is not ended by a guess while nobody knows whether its end was stored', async () => {
    const { key, model } = await create();
    await claimFrom(model);
    const append: Bus['tokens']['append'] = () => Promise.resolve({ type: 'unknown', detail: 'no answer' });
    const silent = { ...bus, tokens: { ...bus.tokens, append } };
    await expect(endGeneration({ bus: silent, clock }, key, { reason: 'cancelled' })).rejects.toThrow(
      'no answer',
    );
    expect(await itemOf(bus, key)).toMatchObject({ status: 'running' });
  });
});
