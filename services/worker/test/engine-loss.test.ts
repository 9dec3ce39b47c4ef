import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { waitFor } from '@sluice/testkit';
import { EngineError } from '@sluice/core';
import { ScriptedEngine } from './support/scripted-engine.ts';
import { World, keyOf } from './support/world.ts';

/** An engine that answers nothing while it is away. */
class MortalEngine extends ScriptedEngine {
  isAway = false;
  looks = 0;
  away = lost();

  override models(): Promise<readonly string[]> {
    this.looks += 1;
    return this.isAway ? Promise.reject(this.away) : super.models();
  }
}

const lost = (): EngineError => new EngineError('upstream_unavailable', 'no connection', { isLost: true });

let world: World;
let engine: MortalEngine;
beforeEach(() => {
  world = new World();
  engine = new MortalEngine();
});
afterEach(() => world.stop());

/** The engine dies after one token of a generation. */
const dieAfterOneToken = async (generation: string): Promise<void> => {
  await world.submit(generation);
  engine.say(generation, 'one ');
  await waitFor(() => engine.taken === 1, { what: 'a token' });
  engine.isAway = true;
  engine.fail(generation, lost());
};

const offered = async (): Promise<number> => (await world.bus.workers.list()).length;

describe('a worker whose engine died', () => {
  test('hands its run over to one whose engine lives, which goes on from the same token', async () => {
    await world.start('w1', { engine });
    await dieAfterOneToken('g');
    await waitFor(async () => (await offered()) === 0, { what: 'the worker to offer nothing' });
    expect(await world.item('g')).toMatchObject({ status: 'queued', attempt: 1, crashes: 1, crashSeq: 1 });
    await world.start('w2');
    world.engine.say('g', 'two');
    world.engine.end('g');
    expect(await world.until('g', 'done')).toMatchObject({ text: 'one two', attempt: 2, reason: 'stop' });
    expect(world.engine.requests[0]?.prefix).toEqual(['one ']);
  });

  test('takes no job, also none that was placed with it, until the engine is back', async () => {
    await world.start('w1', { engine });
    await dieAfterOneToken('g');
    await waitFor(async () => (await offered()) === 0, { what: 'the worker to offer nothing' });
    await world.submit('placed', {}, { queue: 'w1' });
    await world.submit('other');
    const { looks } = engine;
    await waitFor(() => engine.looks >= looks + 2, { what: 'two more looks at the engine' });
    for (const id of ['g', 'placed', 'other']) expect((await world.item(id)).status).toBe('queued');
    expect(engine.requests).toHaveLength(1);
    for (const id of ['g', 'placed', 'other']) {
      engine.say(id, 'back');
      engine.end(id);
    }
    engine.isAway = false;
    for (const id of ['g', 'placed', 'other']) await world.until(id, 'done');
    expect(await world.item('g')).toMatchObject({ text: 'one back' });
    await waitFor(async () => (await offered()) === 1, { what: 'the worker to be offered again' });
  });

  test('that is still loading its model is not back; one that only refuses to list its models is', async () => {
    engine.away = new EngineError('upstream_unavailable', 'loading', { status: 503 });
    await world.start('w1', { engine });
    await dieAfterOneToken('g');
    await waitFor(() => engine.looks >= 2, { what: 'two looks at the engine' });
    expect((await world.item('g')).status).toBe('queued');
    engine.away = new EngineError('upstream_rejected', 'not yours', { status: 403 });
    engine.say('g', 'two');
    engine.end('g');
    expect(await world.until('g', 'done')).toMatchObject({ text: 'one two' });
  });

  test('closes while it looks for it', async () => {
    const worker = await world.start('w1', { engine });
    await dieAfterOneToken('g');
    await waitFor(() => engine.looks >= 1, { what: 'a look at the engine' });
    await worker.close();
    expect(await world.bus.workers.list()).toEqual([]);
  });
});

test('one broken connection is no dead engine: the run goes on here at once', async () => {
  await world.start('w1', { engine });
  await world.submit('g');
  engine.say('g', 'one ');
  engine.fail('g', lost());
  await waitFor(() => engine.requests.length === 2, { what: 'the next attempt' });
  engine.say('g', 'two');
  engine.end('g');
  expect(await world.until('g', 'done')).toMatchObject({ text: 'one two', attempt: 2, crashes: 1 });
  // One at the start, and one after the loss.
  expect(engine.looks).toBe(2);
});

test('what breaks its connection three times without getting further ends with the error, and its text', async () => {
  await world.start('w1', { engine });
  await world.submit('g');
  engine.say('g', 'one ');
  for (let tries = 0; tries < 3; tries += 1) {
    engine.fail('g', lost());
    await waitFor(() => engine.requests.length > tries, { what: 'the next attempt' });
  }
  expect(await world.until('g', 'done')).toMatchObject({
    ...{ text: 'one ', attempt: 3, reason: 'error' },
    error: { code: 'upstream_unavailable', message: 'no connection' },
  });
  expect((await world.bus.tokens.head(keyOf('g')))?.record.end?.reason).toBe('error');
});

test('an engine that answers with an error is no dead one: that is how the generation ends', async () => {
  await world.start('w1', { engine });
  await world.submit('g');
  engine.fail('g', new EngineError('upstream_unavailable', 'answered 500', { status: 500 }));
  expect(await world.until('g', 'done')).toMatchObject({ reason: 'error', attempt: 1 });
  expect(engine.looks).toBe(1);
});
