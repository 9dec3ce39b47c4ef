import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MIN_LEAD } from '@sluice/core';
import type { PromptBody } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { World } from './support/world.ts';

const STORED = 20;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.stop());

const tokens = (count: number): string[] => Array.from({ length: count }, (_, i) => `t${i} `);

/** A generation of which one worker has stored 20 tokens and another one is to go on. */
const handOver = async (body: PromptBody): Promise<void> => {
  const first = await world.start('w1');
  await world.submit('g', { lead: 'strict', ...body });
  world.engine.say('g', ...tokens(STORED));
  await world.until('g', 'running');
  // The first worker has acks enough to store all of them.
  await waitFor(
    async () => {
      world.ack('g', STORED);
      return (await world.item('g')).attempt === 1 && world.engine.taken === STORED;
    },
    { what: 'the first worker to take every token' },
  );
  await first.close();
  await world.until('g', 'queued');
};

test('a run that goes on asks for no token before its viewers have said how far they are', async () => {
  await handOver({});
  await world.start('w2');
  await waitFor(async () => (await world.head('g'))?.attempt === 2, { what: 'the claim record' });
  world.engine.say('g', ...tokens(2 * MIN_LEAD));
  world.ack('g', 10);
  await waitFor(() => world.engine.taken === 10 + MIN_LEAD, { what: 'tokens up to the lead behind the ack' });
  await world.until('g', 'parked');
  expect(await world.item('g')).toMatchObject({ seq: 10 + MIN_LEAD });
  expect(world.engine.taken).toBe(10 + MIN_LEAD);
});

test('a run that goes on and whose viewers are gone costs nothing more before it is parked', async () => {
  await handOver({});
  const { length: requests } = world.engine.requests;
  await world.start('w2');
  world.engine.say('g', 'more');
  expect(await world.until('g', 'parked')).toMatchObject({ attempt: 2, seq: STORED });
  expect(world.engine.requests.length).toBe(requests);
});

test('a run that goes on waits for nobody where nobody governs', async () => {
  await handOver({ onAbandon: 'finish' });
  await world.start('w2');
  world.engine.say('g', 'more');
  world.engine.end('g');
  expect(await world.until('g', 'done')).toMatchObject({ attempt: 2, seq: STORED + 1 });
});
