/** One worker as it runs in production, in front of several servers of models. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startMockServer } from '@sluice/simulator';
import type { MockServer } from '@sluice/simulator';
import { freePort, waitFor } from '@sluice/testkit';
import OpenAI from 'openai';
import { tokenFor } from './support/clients.ts';
import { spawnAdministeredWorker } from './support/processes.ts';
import type { WorkerProcess } from './support/processes.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

let system: System;
let near: MockServer;
let far: MockServer | undefined;
let farPort: number;
let worker: WorkerProcess;
let url: string;

const serverOf = (models: readonly string[], port = 0): Promise<MockServer> =>
  startMockServer({ port, simulated: { tokens: 5, models } });

beforeAll(async () => {
  system = await startSystem();
  ({ url } = await system.addEdge());
  near = await serverOf(['near', 'shared', 'embedding']);
  farPort = await freePort();
  worker = await spawnAdministeredWorker(system.nats.url, {
    SLUICE_ENGINE: 'openai',
    SLUICE_WORKER_NAME: 'w',
    SLUICE_WORKER_MODELS_MS: '1000',
    SLUICE_UPSTREAMS: JSON.stringify([
      { name: 'near', url: near.url, key: 'sk-near', models: ['near', 'shared'], slots: 3 },
      { name: 'far', url: `http://127.0.0.1:${farPort}/v1`, key: 'sk-far', aliases: { fast: 'far' } },
    ]),
  });
}, 30_000);
afterAll(async () => {
  await worker.child.kill('SIGTERM');
  await system.close();
  await near.close();
  await far?.close();
});

const client = (): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: tokenFor('ann'), maxRetries: 0 });
const models = async (): Promise<string> => {
  const { data } = await client().models.list();
  return data.map(({ id }) => id).join();
};
const untilModels = (expected: string): Promise<unknown> =>
  waitFor(async () => (await models()) === expected, { what: `the models ${expected}`, timeoutMs: 15_000 });
const ask = (model: string) =>
  client().chat.completions.create({ model, messages: [{ role: 'user', content: 'hi' }] });
const admin = async (path: string) => {
  const answer = await fetch(`${worker.admin}${path}`);
  return { status: answer.status, text: await answer.text() };
};

describe('of two upstreams', () => {
  test('one that is not there yet keeps nobody from the other, and is served once it is there', async () => {
    await untilModels('near,shared');
    expect((await admin('/readyz')).status).toBe(200);
    await expect(ask('near')).resolves.toMatchObject({ model: 'near' });
    far = await serverOf(['far'], farPort);
    await untilModels('far,fast,near,shared');
  }, 30_000);

  test('each gets what is asked of its models, by its own key and names', async () => {
    await ask('near');
    await ask('fast');
    const [asked, aliased] = [near.requests.at(-1), far?.requests.at(-1)];
    expect([asked?.body['model'], asked?.headers.authorization]).toEqual(['near', 'Bearer sk-near']);
    expect([aliased?.body['model'], aliased?.headers.authorization]).toEqual(['far', 'Bearer sk-far']);
    expect(asked?.headers).toMatchObject({
      'x-sluice-org': 'acme',
      'x-sluice-user': 'ann',
      'x-sluice-session': expect.any(String),
      'x-sluice-generation': expect.any(String),
    });
  });

  test('each is counted and has its slots', async () => {
    // An end is counted when its item is written, after its answer has ended.
    const ended = /^sluice_worker_ends_total\{upstream="far",reason="stop"\} 1$/m;
    await waitFor(async () => ended.test((await admin('/metrics')).text), { what: 'an end to be counted' });
    const { text } = await admin('/metrics');
    expect(text).toContain('sluice_worker_slots{upstream="near"} 3\n');
    expect(text).toMatch(/sluice_worker_slots\{upstream="far"\} \d/);
  });

  test('one that dies takes its models along, and nothing else', async () => {
    await far?.close();
    await untilModels('near,shared');
    await expect(ask('shared')).resolves.toMatchObject({ model: 'shared' });
    expect((await admin('/readyz')).status).toBe(200);
    await near.close();
    await waitFor(async () => (await admin('/readyz')).status === 503, { what: 'the worker to be unready' });
    const { text } = await admin('/readyz');
    expect(text).toMatch(/near: .*ECONNREFUSED.*; far: .*ECONNREFUSED/);
    near = await serverOf(['near'], near.port);
    await untilModels('near');
    expect((await admin('/readyz')).status).toBe(200);
  }, 40_000);
});
