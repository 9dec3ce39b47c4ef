/** Runs that last as long as their tokens are kept, on a real nats-server that keeps them for seconds. */
import { afterEach, expect, test } from '@jest/globals';
import type { Client } from '@sluice/client';
import { SimulatedEngine } from '@sluice/simulator';
import { waitFor } from '@sluice/testkit';
import { keyOf, recordedClient } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const KEPT_MS = 10_000;

let system: System;
const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await system.close();
});

const start = async (maxRunMs: number): Promise<void> => {
  system = await startSystem({ retention: { tokensMs: KEPT_MS } });
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 20, ttftMs: 20 }), { maxRunMs });
};

/** A client of an edge that has no copy of any log. */
const clientOfNewEdge = async (): Promise<Client> => {
  const edge = await system.addEdge();
  const { client } = recordedClient(`ws://127.0.0.1:${edge.port}/v1/ws`);
  clients.push(client);
  return client;
};

test('a run ends before its first tokens expire, so whoever comes to it gets all of it', async () => {
  await start(KEPT_MS * 0.8);
  const author = await clientOfNewEdge();
  const params = { simulated: { tokens: 10_000 } };
  const run = author.session('s').prompt({ generation: 'g', input: 'go', params });
  await waitFor(() => run.position.seq > 120, { what: 'six seconds of tokens', timeoutMs: 15_000 });
  const late = (await clientOfNewEdge()).session('s').generation('g');
  const end = { reason: 'error', error: { code: 'run_too_long' } };
  expect(await run.end).toMatchObject(end);
  expect(await late.end).toMatchObject(end);
  expect(late.text).toBe(run.text);
  const bus = await system.bus();
  const isGone = async (): Promise<boolean> => (await bus.tokens.head(keyOf('s', 'g'))) === undefined;
  await waitFor(isGone, { what: 'the tokens to expire', timeoutMs: 2 * KEPT_MS });
  const later = (await clientOfNewEdge()).session('s').generation('g');
  expect(await later.end).toMatchObject(end);
  expect(later.text).toBe(run.text);
}, 60_000);

test('whoever comes to a run that outlived its first tokens is told, and has all of it at its end', async () => {
  await start(Infinity);
  const author = await clientOfNewEdge();
  const params = { simulated: { tokens: 280 } };
  const run = author.session('s').prompt({ generation: 'g', input: 'go', params });
  await waitFor(() => run.position.seq > 250, { what: 'twelve seconds of tokens', timeoutMs: 30_000 });
  const session = (await clientOfNewEdge()).session('s');
  const errors: Error[] = [];
  session.on('error', (error) => errors.push(error));
  const late = session.generation('g');
  await waitFor(() => errors.length > 0, { what: 'the word that tokens have expired' });
  expect(errors).toMatchObject([{ code: 'not_found' }]);
  expect(late.text).toBe('');
  expect(await late.done).toBe(await run.done);
}, 60_000);
