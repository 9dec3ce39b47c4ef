import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { StoredGeneration } from '@sluice/core';
import type { GenerationKey } from '@sluice/protocol';
import type { RawClient } from '@sluice/testkit';
import { waitFor } from '@sluice/testkit';
import { ask, askOk, codeOf, keyOf, newId, settled, textOf } from '../support/asking.ts';
import type { FakeRun, FakeWorker } from '../support/fake-worker.ts';
import { createWorld } from '../support/world.ts';
import type { TestEdge, World } from '../support/world.ts';

let world: World;
let target: TestEdge;
let worker: FakeWorker;
let author: RawClient;
let key: GenerationKey;
beforeEach(async () => {
  world = createWorld();
  target = await world.addEdge();
  worker = await world.addWorker();
  author = await target.open();
  key = keyOf('s1', newId());
  await askOk(author, { type: 'prompt', session: 's1', generation: key.generation, input: 'x' });
});
afterEach(() => world.close());

const cancel = () => ({ type: 'cancel', session: 's1', generation: key.generation });
const item = async (): Promise<StoredGeneration> =>
  (await world.bus.sessions.item(key, key.generation))?.item as StoredGeneration;
const running = async (...tokens: string[]): Promise<FakeRun> => {
  const run = await worker.claim(key);
  await run.write(...tokens);
  return run;
};
const ended = (client: RawClient): Promise<unknown> =>
  waitFor(() => client.frames('end')[0], { what: 'the end', pollMs: 1 });
/** Nothing claims it any more, and whoever claimed it may write no more. */
const expectCancelled = async (text: string): Promise<void> => {
  expect(await item()).toMatchObject({ status: 'done', reason: 'cancelled', text });
  await ended(author);
  expect(author.frames('end')).toMatchObject([
    { reason: 'cancelled', epoch: 0, receipt: { tokensAfterCancel: 0 } },
  ]);
  expect(textOf(author, key.generation)).toBe(text);
};

describe('a cancel', () => {
  test('of a queued generation ends it before it runs', async () => {
    expect(await codeOf(author, cancel())).toBe('ok');
    await expectCancelled('');
    expect((await item()).seq).toBe(0);
  });

  test('of a running one is told to its worker, with the name of who cancels', async () => {
    const run = await running('a');
    await run.serve();
    expect(await codeOf(author, cancel())).toBe('ok');
    expect(run.cancels).toEqual(['ann']);
    expect((await item()).status).toBe('running');
    await run.end({ reason: 'cancelled', receipt: { tokensAfterCancel: 2, msToAbort: 5 } });
    await ended(author);
    expect(author.frames('end')).toMatchObject([
      { reason: 'cancelled', receipt: { tokensAfterCancel: 2, msToAbort: 5 } },
    ]);
  });

  test('just after the claim waits until the worker listens', async () => {
    const run = await running();
    const answer = ask(author, cancel());
    await run.serve();
    expect((await answer).type).toBe('ok');
    expect(run.cancels).toEqual(['ann']);
  });

  test('of one whose live worker never listens is unavailable, and may be repeated', async () => {
    await running('a');
    expect(await ask(author, cancel())).toMatchObject({ code: 'unavailable', retryable: true });
    expect((await item()).status).toBe('running');
  });

  test('of one whose worker is dead ends it, and fences the worker', async () => {
    const run = await running('a', 'b');
    await worker.retire();
    expect(await codeOf(author, cancel())).toBe('ok');
    await expectCancelled('ab');
    expect(await run.tryToWrite('zombie')).toBe('wrong_sequence');
  });

  test('of one whose worker died after the end but before it told the item keeps that end', async () => {
    const run = await running('a', 'b');
    await run.endLog({ reason: 'stop', usage: { completion_tokens: 2 } });
    await worker.retire();
    expect(await codeOf(author, cancel())).toBe('ok');
    expect(await item()).toMatchObject({ status: 'done', reason: 'stop', text: 'ab' });
    await ended(author);
    expect(author.frames('end')).toMatchObject([{ reason: 'stop', usage: { completion_tokens: 2 } }]);
  });

  test('of a parked one ends it with the text so far', async () => {
    const run = await running('a', 'b');
    await author.nextFrame('delta');
    await askOk(author, { type: 'unsubscribe', session: 's1' });
    await run.park();
    const stranger = await target.open({ scope: 'cancel', user: 'bob' });
    expect(await codeOf(stranger, cancel())).toBe('ok');
    expect(await item()).toMatchObject({ status: 'done', reason: 'cancelled', text: 'ab', seq: 2 });
  });

  test('of one that waits for its second worker fences the first', async () => {
    const run = await running('a');
    await run.requeue();
    expect(await codeOf(author, cancel())).toBe('ok');
    await expectCancelled('a');
    expect(await run.tryToWrite('zombie')).toBe('wrong_sequence');
  });

  test('of one that is done is ok, and changes nothing', async () => {
    const run = await running('a');
    await run.end();
    const before = await item();
    expect(await codeOf(author, cancel())).toBe('ok');
    expect(await item()).toEqual(before);
  });

  test('again is ok, and ends it once', async () => {
    const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(author, cancel())));
    expect(new Set(codes)).toEqual(new Set(['ok']));
    await settled(author);
    expect(author.frames('end')).toHaveLength(1);
  });

  test('20 times at once through two edges ends it once', async () => {
    const other = await world.addEdge();
    const clients = [author, await other.open(), await other.open({ user: 'bob' })];
    await running('a');
    await worker.retire();
    const codes = await Promise.all(
      Array.from({ length: 20 }, (_, i) => codeOf(clients[i % 3] as RawClient, cancel())),
    );
    expect(new Set(codes)).toEqual(new Set(['ok']));
    await expectCancelled('a');
  });

  test('of one that is absent is not found, also where the id is a message', async () => {
    expect(await codeOf(author, { ...cancel(), generation: newId() })).toBe('not_found');
    await askOk(author, { type: 'message', session: 's1', message: 'm1', text: 'x' });
    expect(await codeOf(author, { ...cancel(), generation: 'm1' })).toBe('not_found');
  });

  test('by another user needs scope `cancel`', async () => {
    const bob = await target.open({ user: 'bob', scope: 'read prompt' });
    expect(await codeOf(bob, cancel())).toBe('forbidden');
    expect((await item()).status).toBe('queued');
    const carol = await target.open({ user: 'carol', scope: 'cancel' });
    expect(await codeOf(carol, cancel())).toBe('ok');
  });

  test('needs no subscription', async () => {
    const elsewhere = await target.open();
    expect(await codeOf(elsewhere, cancel())).toBe('ok');
    expect(elsewhere.frames('subscribed')).toEqual([]);
  });

  test('is unavailable while storage is down', async () => {
    target.recording.isDown = true;
    expect(await ask(author, cancel())).toMatchObject({ code: 'unavailable', retryable: true });
  });
});
