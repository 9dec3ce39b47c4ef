import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import type { DeltaFrame } from '@sluice/protocol';
import { openRawClient, sha256, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import type { Edge } from '@sluice/edge';
import { SimulatedEngine } from '@sluice/simulator';
import { keyOf, storedText, tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const WINDOW = 8;

let system: System;
let bus: Bus;
let edge: Edge;
const open: RawClient[] = [];

beforeAll(async () => {
  system = await startSystem();
  bus = await system.bus();
  edge = await system.addEdge();
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 600, ttftMs: 50, source: 'ngram' }));
});
afterEach(() => {
  for (const client of open.splice(0)) client.close();
});
afterAll(() => system.close());

const viewer = async (user: string, session: string, window = 32): Promise<RawClient> => {
  const client = await openRawClient(`ws://127.0.0.1:${edge.port}/v1/ws`, { token: tokenFor(user) });
  open.push(client);
  client.send({ type: 'subscribe', session, window });
  await client.nextFrame('subscribed');
  return client;
};

const deltas = (client: RawClient): DeltaFrame[] => client.frames('delta') as DeltaFrame[];

const lastSeq = (client: RawClient): number => deltas(client).at(-1)?.seq ?? 0;

const ack = (client: RawClient, generation: string, session: string): void =>
  client.send({ type: 'ack', session, generation, epoch: 0, seq: lastSeq(client) });

/** Acks whatever is there until the end comes. */
const readToEnd = async (client: RawClient, generation: string, session: string): Promise<void> => {
  let acked = 0;
  await waitFor(
    () => {
      if (lastSeq(client) > acked) {
        acked = lastSeq(client);
        ack(client, generation, session);
      }
      return client.frames('end').length > 0;
    },
    { what: 'the end of the generation', timeoutMs: 30_000, pollMs: 10 },
  );
};

const textOf = (client: RawClient): string =>
  deltas(client)
    .map(({ text }) => text)
    .join('');

test('a live, a late and a stalled viewer end with the same text', async () => {
  const session = 'three';
  const live = await viewer('ann', session);
  const stalled = await viewer('bob', session, WINDOW);
  const generation = 'gen-three';
  live.send({
    type: 'prompt',
    session,
    generation,
    input: 'tell me',
    params: { simulated: { tokens: 2_000, reasoningTokens: 60 } },
  });
  const liveDone = readToEnd(live, generation, session);
  await waitFor(() => lastSeq(live) >= 1_000, { what: 'a thousand tokens', timeoutMs: 15_000 });
  const late = await viewer('cid', session);
  await readToEnd(late, generation, session);
  await liveDone;

  // The stalled one got its window and not a frame more.
  expect(deltas(stalled)).toHaveLength(WINDOW);
  const before = deltas(stalled).length;
  ack(stalled, generation, session);
  await readToEnd(stalled, generation, session);
  const backlog = deltas(stalled).slice(before);
  const kinds = backlog.map(({ kind = 'text' }) => kind);
  // Everything due came at once: one frame for each kind.
  expect(kinds).toEqual(lastReasoning(stalled, before) < 60 ? ['reasoning', 'text'] : ['text']);

  const text = await storedText(bus, keyOf(session, generation));
  for (const client of [live, late, stalled]) {
    const shown = deltas(client).filter(({ kind }) => kind === undefined);
    expect(sha256(shown.map((delta) => delta.text).join(''))).toBe(sha256(text));
  }
  expect(new Set([live, late, stalled].map(textOf)).size).toBe(1);
  // The late one caught up with as few frames as there were kinds.
  expect(deltas(late)[0]).toMatchObject({ from: 0, seq: 60, kind: 'reasoning' });
  expect(deltas(late)[1]?.seq).toBeGreaterThan(900);
}, 60_000);

const lastReasoning = (client: RawClient, frames: number): number => deltas(client)[frames - 1]?.seq ?? 0;
