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

describe('a heartbeat', () => {
  test('is a ping every heartbeatMs', async () => {
    const wire = await openWire(target);
    const came = (opcode: number): number => wire.opcodes.filter((each) => each === opcode).length;
    /** Answers what has come; resolves when the edge knows, and all that it sent before is here. */
    const answer = async (): Promise<void> => {
      const pongs = came(OPCODE.pong);
      wire.write(frameBytes('', { opcode: OPCODE.pong }), frameBytes('', { opcode: OPCODE.ping }));
      await waitFor(() => came(OPCODE.pong) === pongs + 1, { what: 'a pong', pollMs: 1 });
    };
    target.edge.tick();
    await answer();
    const before = came(OPCODE.ping);
    for (let i = 1; i <= 3; i += 1) {
      clock.advance(HEARTBEAT_MS - 1);
      target.edge.tick();
      await answer();
      expect(came(OPCODE.ping)).toBe(before + i - 1);
      clock.advance(1);
      await waitFor(() => came(OPCODE.ping) === before + i, { what: `ping ${i}` });
    }
    wire.socket.destroy();
  });

  test('missed twice closes with 4008', async () => {
    const deaf = await openRawClient(target.url, { token: tokenOf(), autoPong: false });
    const healthy = await target.open();
    target.edge.tick();
    clock.advance(HEARTBEAT_MS);
    target.edge.tick();
    expect(await codeOf(healthy, { type: 'ping' })).toBe('ok');
    clock.advance(HEARTBEAT_MS);
    expect((await deaf.closed).code).toBe(4008);
    expect(await codeOf(healthy, { type: 'ping' })).toBe('ok');
  });

  test('counts any frame as a sign of life', async () => {
    const deaf = await openRawClient(target.url, { token: tokenOf(), autoPong: false });
    for (let i = 0; i < 4; i += 1) {
      clock.advance(HEARTBEAT_MS);
      target.edge.tick();
      expect(await codeOf(deaf, { type: 'ping' })).toBe('ok');
    }
    deaf.terminate();
  });

  test('frees a connection that hangs', async () => {
    const hung = await target.open();
    hung.pause();
    for (let i = 0; i < 3; i += 1) {
      target.edge.tick();
      clock.advance(HEARTBEAT_MS);
    }
    await waitFor(() => target.edge.tally.connections.get('websocket') === 0, {
      what: 'the connection to be gone',
    });
  });
});
