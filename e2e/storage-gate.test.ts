/** New work stops at 80 % of the fullest stream, however fast several edges fill it. */
import { afterEach, expect, test } from '@jest/globals';
import type { Edge } from '@sluice/edge';
import { openRawClient, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import { tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const MIB = 1024 * 1024;
/** Below what is stored apart, and above it. */
const [SHORT, LONG] = ['x'.repeat(8_000), 'x'.repeat(30_000)];

let system: System;
const clients: RawClient[] = [];
let announcing: NodeJS.Timeout | undefined;
afterEach(async () => {
  clearInterval(announcing);
  for (const client of clients.splice(0)) client.terminate();
  await system.close();
});

const open = async (edge: Edge, user: string): Promise<RawClient> => {
  const client = await openRawClient(`ws://127.0.0.1:${edge.port}/v1/ws`, { token: tokenFor(user) });
  clients.push(client);
  await client.nextFrame('ready');
  return client;
};

/** Posts as fast as it can until something is refused. @returns the refusal */
const pour = async (client: RawClient, frameOf: (n: number) => object): Promise<string> => {
  let seen = 0;
  for (let n = 0; ; n += 1) {
    client.send({ ...frameOf(n), id: `${n}` });
    const answer = await waitFor(
      () => {
        const frames = client.transcript.slice(seen).map(({ frame }) => frame);
        return frames.find(
          (frame) => (frame?.type === 'ok' || frame?.type === 'error') && frame.re === `${n}`,
        );
      },
      { what: 'an answer', pollMs: 1, timeoutMs: 20_000 },
    );
    seen = client.transcript.length - 1;
    if (answer?.type === 'error') return answer.code;
  }
};

test.each([
  [
    'lines',
    'KV_SESSIONS',
    (session: string) => (n: number) => ({ type: 'message', session, message: `m${n}`, text: SHORT }),
  ],
  [
    'long prompts',
    'BODIES',
    (session: string) => (n: number) => ({ type: 'prompt', session, generation: `g${n}`, input: LONG }),
  ],
] as const)(
  '%s of two edges at full rate stop at the gate',
  async (_what, stream, framesOf) => {
    system = await startSystem({ maxBytes: { sessions: 16 * MIB, prompts: 16 * MIB, bodies: 16 * MIB } });
    const bus = await system.bus();
    const announce = () => bus.workers.announce({ worker: 'w', models: ['m'], slots: 1, running: [] });
    await announce();
    // As a worker does: an entry expires within ten seconds, and on a slow machine this takes longer.
    announcing = setInterval(() => void announce(), 3_000);
    const edges = [await system.addEdge(), await system.addEdge()];
    const crowd = await Promise.all(
      Array.from({ length: 16 }, (_, n) => open(edges[n % 2] as Edge, `user-${n}`)),
    );
    const refusals = await Promise.all(crowd.map((client, n) => pour(client, framesOf(`session-${n}`))));
    expect(new Set(refusals)).toEqual(new Set(['unavailable']));
    const { fullness = 0 } = (await bus.link.streams()).find(({ name }) => name === stream) ?? {};
    expect(fullness).toBeGreaterThan(0.77);
    expect(fullness).toBeLessThan(0.85);
  },
  60_000,
);
