/** Models that no worker serves for a while: their prompts wait, a metric says how many, and a worker that comes runs them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Edge } from '@sluice/edge';
import { SimulatedEngine } from '@sluice/simulator';
import { waitFor } from '@sluice/testkit';
import { recordedClient, tokenFor } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

let system: System;
let edge: Edge;
let viewer: RecordedClient;

beforeAll(async () => {
  system = await startSystem();
  edge = await system.addEdge({ modelsFromZero: ['simulated', 'cold'] });
  viewer = recordedClient(edge.url);
});
afterAll(async () => {
  await viewer.client.close();
  await system.close();
});

/** As Prometheus, and so KEDA, gets it. */
const waiting = async (model: string): Promise<number | undefined> => {
  const text = await edge.metrics.registry.metrics();
  const line = new RegExp(`^sluice_jobs_waiting\\{model="${model}"\\} (\\d+)$`, 'm').exec(text);
  return line?.[1] === undefined ? undefined : Number(line[1]);
};
const expectWaiting = (model: string, count: number): Promise<true> =>
  waitFor(async () => (await waiting(model)) === count || undefined, {
    what: `${count} jobs of ${model} waiting`,
    timeoutMs: 20_000,
  });

const prompt = (params: { readonly model?: string; readonly tokens?: number }) =>
  viewer.client.session('s').prompt({
    input: 'go',
    ...(params.model === undefined ? {} : { model: params.model }),
    params: { simulated: { tokens: params.tokens ?? 20 } },
  });

test('a prompt waits for a worker of its model, the metric rises, a worker comes and runs it', async () => {
  const headers = { authorization: `Bearer ${tokenFor('ann')}` };
  const listed = await (await fetch(`${edge.url}/v1/models`, { headers })).json();
  expect(listed).toMatchObject({ data: [{ id: 'cold' }, { id: 'simulated' }] });
  expect(await waiting('simulated')).toBe(0);
  await expect(prompt({ model: 'unheard-of' }).done).rejects.toMatchObject({ code: 'unavailable' });

  const generation = prompt({ model: 'simulated' });
  await expectWaiting('simulated', 1);
  expect(await waiting('cold')).toBe(0);
  expect(generation.position.seq).toBe(0);

  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 200 }), { slots: 1 });
  expect((await generation.done).length).toBeGreaterThan(0);
  await expectWaiting('simulated', 0);
}, 60_000);

test('what waits in a worker’s own queue counts, what runs does not', async () => {
  const [running, next] = [prompt({ tokens: 100_000 }), prompt({})];
  await waitFor(() => running.position.seq > 0 || next.position.seq > 0, { what: 'one of them to run' });
  await expectWaiting('simulated', 1);
  await running.cancel();
  await next.done;
  await expectWaiting('simulated', 0);
}, 60_000);
