import { describe, expect, test } from '@jest/globals';
import { systemClock } from '@sluice/runtime';
import { waitFor } from '@sluice/testkit';
import { freshScene } from './support/scene.ts';
import { withAppend, words } from './support/world.ts';

const scene = freshScene();

describe('flow control', () => {
  test('holds at 16 in strict mode, parks after two seconds, and keeps every token', async () => {
    const worker = await scene.world.start();
    await scene.world.submit('g', { lead: 'strict' });
    scene.world.engine.say('g', ...words(30));
    const parked = await scene.world.until('g', 'parked');
    expect(parked).toMatchObject({ seq: 16, attempt: 1 });
    expect(scene.world.engine.taken).toBe(16);
    expect(worker.running).toBe(0);
    expect(await scene.world.head('g')).toMatchObject({ base: 0 });
  });

  test('does not park while it is storage that keeps viewers from acking, nor at once when it is back', async () => {
    let isAway = false;
    const bus = withAppend(
      scene.world.bus,
      (append) => (key, draft) =>
        isAway ? Promise.resolve({ type: 'unknown', detail: 'no answer' }) : append(key, draft),
    );
    await scene.world.start('w1', { bus });
    await scene.world.submit('g', { lead: 'strict' });
    for (const word of words(3)) scene.world.engine.say('g', word);
    await waitFor(async () => (await scene.world.head('g'))?.tokens.length === 3, {
      what: 'three stored tokens',
    });
    isAway = true;
    const awaySince = performance.now();
    for (const word of words(17, 4)) scene.world.engine.say('g', word);
    await waitFor(() => performance.now() - awaySince > 3_000, { what: 'three seconds of outage' });
    expect(await scene.world.item('g')).toMatchObject({ status: 'running' });
    isAway = false;
    await waitFor(async () => (await scene.world.head('g'))?.tokens.length === 16, {
      what: 'what was made to be stored',
    });
    scene.world.ack('g', 16);
    scene.world.engine.end('g');
    expect(await scene.world.until('g', 'done')).toMatchObject({ attempt: 1, seq: 20 });
  }, 15_000);

  test('does not park while NATS is away, nor before edges have found it again: nobody could ack', async () => {
    let skew = 0;
    let isConnected = true;
    const reconnects: (() => void)[] = [];
    const link = {
      ...scene.world.bus.link,
      get connected() {
        return isConnected;
      },
      onReconnect: (listener: () => void) => {
        reconnects.push(listener);
        return { close: () => undefined };
      },
    };
    const clock = { ...systemClock, now: () => systemClock.now() + skew };
    const worker = await scene.world.start('w1', { bus: { ...scene.world.bus, link }, clock });
    await scene.world.submit('g', { lead: 'strict' });
    scene.world.engine.say('g', ...words(20));
    await waitFor(() => scene.world.engine.taken === 16, { what: 'the hold' });
    isConnected = false;
    const stays = async (ms: number): Promise<void> => {
      skew += ms;
      worker.tick();
      expect(await scene.world.item('g')).toMatchObject({ status: 'running' });
    };
    await stays(60_000);
    isConnected = true;
    for (const reconnected of reconnects) reconnected();
    await stays(4_000);
    skew += 2_000;
    expect(await scene.world.until('g', 'parked')).toMatchObject({ seq: 16, attempt: 1 });
  });

  test('holds on without parking where the engine could not continue', async () => {
    scene.world.engine.continues = false;
    await scene.world.start();
    await scene.world.submit('g', { lead: 'strict' });
    scene.world.engine.say('g', ...words(20));
    await waitFor(() => scene.world.engine.taken === 16, { what: 'the hold' });
    scene.world.ack('g', 16);
    scene.world.engine.end('g');
    expect(await scene.world.until('g', 'done')).toMatchObject({ seq: 20, attempt: 1 });
  });
});
