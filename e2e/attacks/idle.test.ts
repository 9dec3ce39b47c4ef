import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { EdgeProcess } from '../support/processes.ts';
import { openBystander } from './bystander.ts';
import type { Bystander } from './bystander.ts';
import { tell } from './figures.ts';
import { watchMemory } from './memory.ts';
import { openRawSocket, textFrame, upgradeText } from './raw-socket.ts';
import { startTarget } from './target.ts';
import type { Target } from './target.ts';

let target: Target;
let edge: EdgeProcess;
let bystander: Bystander;

beforeAll(async () => {
  target = await startTarget();
  edge = await target.addEdge();
  bystander = await openBystander(edge.url);
}, 60_000);
afterAll(async () => {
  bystander.close();
  await target.close();
}, 60_000);

test('an edge that nobody attacks answers at once and does not grow', async () => {
  const memory = await watchMemory(edge.child.pid);
  const pings = await bystander.ping(1_000);
  memory.close();
  tell('nobody', { ...pings, 'RSS + MiB': memory.growth() });
  expect(pings.count).toBeGreaterThan(10);
  expect(pings.p50).toBeLessThan(50);
  expect(memory.growth()).toBeLessThan(30);
});

test('an attacker’s socket speaks WebSocket by hand', async () => {
  const socket = await openRawSocket(edge.url);
  await socket.send(upgradeText());
  const sent = await socket.flood(textFrame('{"type":"ping"}'), { forMs: 100, bytesPerSecond: 20_000 });
  expect(sent).toBeGreaterThan(0);
  expect(socket.received()).toContain('101 Switching Protocols');
  socket.destroy();
});
