import { expect, test } from '@jest/globals';
import { ChunkWriter } from '@sluice/core';
import { startNatsServer } from '@sluice/testkit';
import { createNatsBus } from '../src/index.ts';
import type { Bus } from '../src/index.ts';
import { newKey } from './world.ts';
import { readTokens } from './writing.ts';

const GENERATIONS = 200;
const APPENDS = 100;

/** Writes a generation as a worker does: one append in flight, one token each. */
const write = async (bus: Bus, key: ReturnType<typeof newKey>): Promise<void> => {
  const writer = new ChunkWriter(1);
  for (let n = 0; n < APPENDS; n += 1) {
    const outcome = await bus.tokens.append(key, writer.draft([` token${n}`], n).draft);
    if (outcome.type !== 'stored') throw new Error(`expected stored, got ${JSON.stringify(outcome)}`);
    writer.stored(outcome.sequence);
  }
};

test('20,000 appends of 200 generations at once are all stored, for few microseconds each', async () => {
  const server = await startNatsServer();
  const bus = await createNatsBus({ url: server.url, name: 'publisher' });
  await write(bus, newKey());
  const keys = Array.from({ length: GENERATIONS }, newKey);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(keys.map((key) => write(bus, key)));
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const count = GENERATIONS * APPENDS;
  console.info(
    `${count} appends in ${ms.toFixed(0)} ms: ${((user + system) / count).toFixed(1)} us of CPU each ` +
      `(drafting included), ${((count / ms) * 1_000).toFixed(0)} per second`,
  );
  // Generous: the machine may be busy. It shows a fall back to a promise chain and a timer per append.
  expect((user + system) / count).toBeLessThan(150);
  const expected = Array.from({ length: APPENDS }, (_, n) => ` token${n}`);
  for (const key of keys.slice(0, 20)) expect(await readTokens(bus.tokens, key)).toEqual(expected);
  await bus.close();
  await server.stop();
}, 60_000);
