import { expect, test } from '@jest/globals';
import { silentLogger } from '@sluice/runtime';
import { ManualClock, waitFor } from '@sluice/testkit';
import { StorageGate } from '../src/requests/storage-gate.ts';

const MIB = 1024 * 1024;

/** A gate before one stream of 100 MiB, so full; `looks` counts how often that was read. */
const start = async (fullness: number) => {
  const clock = new ManualClock();
  const store = { looks: 0, fullness };
  const streams = async () => {
    store.looks += 1;
    const { fullness: now } = store;
    return [{ name: 'TOKENS', fullness: now, maxBytes: 100 * MIB, replicas: 1, leader: undefined }] as never;
  };
  const gate = new StorageGate({ streams }, silentLogger, clock);
  await gate.open();
  const looksIn = async (ms: number): Promise<number> => {
    const before = store.looks;
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      await waitFor(() => clock.pending === 1, { what: 'the next look to be due' });
    }
    return store.looks - before;
  };
  return { gate, store, looksIn };
};

test.each([
  { fill: 'has much room', fullness: 0.2, looks: 2 },
  { fill: 'is nearly full', fullness: 0.7, looks: 20 },
  { fill: 'is full: the gate is closed, and nothing passes it', fullness: 0.9, looks: 2 },
])('a store that $fill is looked at $looks times in 10 s', async ({ fullness, looks }) => {
  const { looksIn } = await start(fullness);
  expect(await looksIn(10_000)).toBe(looks);
});

test('a closed gate opens at the first look that finds room', async () => {
  const { gate, store, looksIn } = await start(0.9);
  await expect(gate.admit(1)).rejects.toMatchObject({ code: 'unavailable' });
  store.fullness = 0.1;
  await looksIn(5_000);
  await expect(gate.admit(1)).resolves.toBeUndefined();
});

test('a gate tells how full each stream is, as last read', async () => {
  const { gate, store, looksIn } = await start(0.2);
  expect(gate.fullness).toEqual(new Map([['TOKENS', 0.2]]));
  store.fullness = 0.3;
  await looksIn(5_000);
  expect(gate.fullness).toEqual(new Map([['TOKENS', 0.3]]));
});
