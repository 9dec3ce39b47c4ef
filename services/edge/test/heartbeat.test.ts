import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock, openRawClient, waitFor } from '@sluice/testkit';
import { codeOf } from './support/asking.ts';
import { frameBytes, OPCODE, openWire } from './support/wire.ts';
import { createWorld, tokenOf } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

const HEARTBEAT_MS = 20_000;

let world: World;
let clock: ManualClock;
let target: TestEdge;
beforeEach(async () => {
  world = createWorld();
  clock = new ManualClock(Date.now());
  target = await world.addEdge({ clock, heartbeatMs: HEARTBEAT_MS });
});
afterEach(() => world.close());

/** Lets the edge notice what time it is. */
const tick = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 550));

describe('a heartbeat', () => {
  test('is a ping every heartbeatMs', async () => {
    const wire = await openWire(target);
    let pings = 0;
    wire.socket.on('data', (bytes) => (pings += bytes.includes(Buffer.from([0x89, 0])) ? 1 : 0));
    await tick();
    const before = pings;
    for (let i = 1; i <= 3; i += 1) {
      clock.advance(HEARTBEAT_MS - 1);
      wire.write(frameBytes('', { opcode: OPCODE.pong }));
      await tick();
      expect(pings).toBe(before + i - 1);
      clock.advance(1);
      await waitFor(() => pings === before + i, { what: `ping ${i}` });
    }
    wire.socket.destroy();
  });

  test('missed twice closes with 4008', async () => {
    const deaf = await openRawClient(target.url, { token: tokenOf(), autoPong: false });
    const healthy = await target.open();
    await tick();
    clock.advance(HEARTBEAT_MS);
    await tick();
    expect(await codeOf(healthy, { type: 'ping' })).toBe('ok');
    clock.advance(HEARTBEAT_MS);
    expect((await deaf.closed).code).toBe(4008);
    expect(await codeOf(healthy, { type: 'ping' })).toBe('ok');
  });

  test('counts any frame as a sign of life', async () => {
    const deaf = await openRawClient(target.url, { token: tokenOf(), autoPong: false });
    for (let i = 0; i < 4; i += 1) {
      clock.advance(HEARTBEAT_MS);
      await tick();
      expect(await codeOf(deaf, { type: 'ping' })).toBe('ok');
    }
    deaf.terminate();
  });

  test('frees a connection that hangs', async () => {
    const hung = await target.open();
    hung.pause();
    for (let i = 0; i < 3; i += 1) {
      await tick();
      clock.advance(HEARTBEAT_MS);
    }
    await waitFor(async () => (await target.edge.metrics.connections.get()).values[0]?.value === 0, {
      what: 'the connection to be gone',
    });
  });
});
