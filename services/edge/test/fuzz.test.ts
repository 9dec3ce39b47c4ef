import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { RawClient } from '@sluice/testkit';
import { SeededRandom, waitFor } from '@sluice/testkit';
import { ask, askOk, keyOf, newId, settled, textOf } from './support/asking.ts';
import { fuzzFrame } from './support/frame-fuzz.ts';
import { createWorld } from './support/world.ts';
import type { TestEdge, World } from './support/world.ts';

const FRAMES = Number(process.env.SLUICE_FUZZ_FRAMES ?? 100_000);
const BURST = 200;
const TOKENS_PER_BURST = 10;
const EXPECTED_ANSWERS = ['bad_frame', 'conflict', 'not_found', 'ok'];
const seed = Number(process.env.SEED ?? Date.now() % 1e9);

let world: World;
let target: TestEdge;
beforeEach(async () => {
  world = createWorld();
  target = await world.addEdge({ maxFramesPerSecond: 1e9, maxItemsPerSession: 50, promptsPerMinute: 1e6 });
});
afterEach(() => world.close());

const isOpen = async (client: RawClient): Promise<boolean> =>
  Promise.race([
    client.closed.then(() => false),
    new Promise<boolean>((resolve) => setImmediate(resolve, true)),
  ]);

/**
 * Sends bursts on connection after connection; resolves to how often each answer came.
 * @param meanwhile done once in each burst, before it is answered
 */
const attack = async (
  random: SeededRandom,
  meanwhile: () => Promise<void>,
): Promise<Record<string, number>> => {
  const tally: Record<string, number> = {};
  for (let sent = 0; sent < FRAMES;) {
    const client = await target.open({ user: 'eve' });
    for (let bursts = 0; bursts < 50 && sent < FRAMES && (await isOpen(client)); bursts += 1) {
      for (let i = 0; i < BURST; i += 1, sent += 1) client.send(fuzzFrame(random, `f${sent}`));
      const id = newId();
      client.send({ type: 'ping', id });
      const answered = client
        .nextFrame((frame) => frame.type === 'ok' && frame.re === id, 20_000)
        .catch(() => undefined);
      await meanwhile();
      await Promise.race([answered, client.closed]);
    }
    if (await isOpen(client)) await settled(client);
    countAnswers(client, tally);
    client.terminate();
  }
  return tally;
};

const countAnswers = (client: RawClient, tally: Record<string, number>): void => {
  const seen = new Set<string>();
  for (const frame of client.frames()) {
    if ((frame.type !== 'ok' && frame.type !== 'error') || frame.re === undefined) continue;
    if (seen.has(frame.re)) throw new Error(`${frame.re} was answered twice (SEED=${seed})`);
    seen.add(frame.re);
    const answer = frame.type === 'ok' ? 'ok' : frame.code;
    tally[answer] = (tally[answer] ?? 0) + 1;
  }
};

test(`100,000 hostile frames harm neither the edge nor a session beside them (SEED=${seed})`, async () => {
  const worker = await world.addWorker();
  const [session, generation] = [newId(), newId()];
  const author = await target.open();
  await askOk(author, { type: 'prompt', session, generation, input: 'x' });
  const viewer = await target.open();
  await askOk(viewer, { type: 'subscribe', session, observe: true });
  const run = await worker.claim(keyOf(session, generation));

  let written = '';
  let tokens = 0;
  const tally = await attack(new SeededRandom(seed), async () => {
    for (const until = tokens + TOKENS_PER_BURST; tokens < until; tokens += 1) {
      const token = `⟦${session}.${tokens}⟧ "é\\\n😀`;
      await run.write(token);
      written += token;
      // A turn of the event loop, so that hostile frames come between the tokens.
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  await run.end();

  await waitFor(() => viewer.frames('end').length > 0, { what: 'the end', timeoutMs: 10_000 });
  expect(textOf(viewer, generation)).toBe(written);
  expect(viewer.frames('error')).toEqual([]);
  expect((await ask(author, { type: 'ping' })).type).toBe('ok');
  // Enough of it got past the parser, and nothing was answered by accident.
  expect(Object.keys(tally)).toEqual(expect.arrayContaining(EXPECTED_ANSWERS));
  expect(tally.internal).toBeUndefined();
  expect(tally.ok).toBeGreaterThan(FRAMES / 10);
  expect(target.logs.filter((line) => line.includes('"level":"error"'))).toEqual([]);
}, 240_000);
