import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createNatsBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import type { Engine, EngineRequest } from '@sluice/core';
import { silentLogger } from '@sluice/runtime';
import { waitFor } from '@sluice/testkit';
import { createWorker } from '@sluice/worker';
import type { Worker } from '@sluice/worker';
import { keyOf, recordedClient, tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

let system: System;
beforeEach(async () => {
  system = await startSystem();
});
afterEach(() => system.close());

/** Answers at once, and remembers what it was asked. */
class EchoEngine implements Engine {
  readonly name = 'echo';
  readonly requests: EngineRequest[] = [];

  models(): Promise<readonly string[]> {
    return Promise.resolve(['m']);
  }
  canContinue(): boolean {
    return true;
  }
  async *generate(request: EngineRequest) {
    this.requests.push(request);
    yield `answer to ${String(request.messages.at(-1)?.content)}`;
    return { reason: 'stop' as const };
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The bus whose items become done once that is let. */
const slowToTell = (bus: Bus) => {
  let let_ = (): void => {};
  const told = new Promise<void>((resolve) => (let_ = resolve));
  const updateItem: Bus['sessions']['updateItem'] = async (key, item, rev) => {
    if (item.kind === 'generation' && item.status === 'done') await told;
    return bus.sessions.updateItem(key, item, rev);
  };
  return { bus: { ...bus, sessions: { ...bus.sessions, updateItem } }, let: let_ };
};

// compat(sluice): history
test('a turn counts from the moment on that its end is seen, on whatever edge the next prompt comes', async () => {
  const [one, two] = [await system.addEdge(), await system.addEdge()];
  const inner = await createNatsBus({ url: system.nats.url, name: 'worker' });
  const slow = slowToTell(inner);
  const engine = new EchoEngine();
  let worker: Worker | undefined;
  const { client } = recordedClient(`ws://127.0.0.1:${one.port}/v1/ws`);
  try {
    worker = await createWorker(
      { name: 'w1', slots: 4, models: ['m'] },
      { bus: slow.bus, engine, logger: silentLogger },
    );
    const session = client.session('s1');
    for (const input of ['first', 'second']) {
      const generation = session.prompt(input);
      expect((await generation.end).reason).toBe('stop');
      const stored = await inner.sessions.item(
        keyOf('s1', generation.id),
        keyOf('s1', generation.id).generation,
      );
      expect(stored?.item).toMatchObject({ status: 'running' });
    }
    const response = await fetch(`http://127.0.0.1:${two.port}/v1/sessions/s1/generations/g3`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${tokenFor('ann')}`, 'content-type': 'application/json' },
      body: JSON.stringify({ input: 'third' }),
    });
    expect(response.status).toBe(201);
    const asked = await waitFor(() => engine.requests[2], { what: 'the third question' });
    expect(asked.messages.map(({ content }) => content)).toEqual([
      'first',
      'answer to first',
      'second',
      'answer to second',
      'third',
    ]);
  } finally {
    slow.let();
    await client.close();
    await worker?.close();
    await inner.close();
  }
});
