import { expect, test } from '@jest/globals';
import { MIN_LEAD } from '@sluice/core';
import type { PromptBody } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { freshScene } from './support/scene.ts';

const STORED = 20;

const scene = freshScene();

const tokens = (count: number): string[] => Array.from({ length: count }, (_, i) => `t${i} `);

/** A generation of which one worker has stored 20 tokens and another one is to go on. */
const handOver = async (body: PromptBody): Promise<void> => {
  const first = await scene.world.start('w1');
  await scene.world.submit('g', { lead: 'strict', ...body });
  scene.world.engine.say('g', ...tokens(STORED));
  await scene.world.until('g', 'running');
  // The first worker has acks enough to store all of them.
  await waitFor(
    async () => {
      scene.world.ack('g', STORED);
      return (await scene.world.item('g')).attempt === 1 && scene.world.engine.taken === STORED;
    },
    { what: 'the first worker to take every token' },
  );
  await first.close();
  await scene.world.until('g', 'queued');
};

test('a run that goes on asks for no token before its viewers have said how far they are', async () => {
  await handOver({});
  await scene.world.start('w2');
  await waitFor(async () => (await scene.world.head('g'))?.attempt === 2, { what: 'the claim record' });
  scene.world.engine.say('g', ...tokens(2 * MIN_LEAD));
  scene.world.ack('g', 10);
  await waitFor(() => scene.world.engine.taken === 10 + MIN_LEAD, {
    what: 'tokens up to the lead behind the ack',
  });
  await scene.world.until('g', 'parked');
  expect(await scene.world.item('g')).toMatchObject({ seq: 10 + MIN_LEAD });
  expect(scene.world.engine.taken).toBe(10 + MIN_LEAD);
});

test('a run that goes on and whose viewers are gone costs nothing more before it is parked', async () => {
  await handOver({});
  const { length: requests } = scene.world.engine.requests;
  await scene.world.start('w2');
  scene.world.engine.say('g', 'more');
  expect(await scene.world.until('g', 'parked')).toMatchObject({ attempt: 2, seq: STORED });
  expect(scene.world.engine.requests.length).toBe(requests);
});

test('a run that goes on waits for nobody where nobody governs', async () => {
  await handOver({ onAbandon: 'finish' });
  await scene.world.start('w2');
  scene.world.engine.say('g', 'more');
  scene.world.engine.end('g');
  expect(await scene.world.until('g', 'done')).toMatchObject({ attempt: 2, seq: STORED + 1 });
});
