import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mintToken, openRawClient, openRawHttpClient, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import type { TransportKind } from '@sluice/client';
import type { EdgeProcess } from '../support/processes.ts';
import { ORG, tokenFor } from '../support/clients.ts';
import { SECRET } from '../support/system.ts';
import { openBystander } from './bystander.ts';
import { tell } from './figures.ts';
import { watchMemory } from './memory.ts';
import { sized } from './size.ts';
import { startTarget } from './target.ts';
import type { Target } from './target.ts';

/** Who may look, and wants to do more. */
const READER = mintToken({ org: ORG, user: 'mallory', scope: 'read', secret: SECRET });
const FLOOD_MS = sized({ small: 2_000, long: 10_000 });
const VIEWERS = sized({ small: 8, long: 30 });
const LAST = 'the last signal';
const SIGNAL = { type: 'signal', session: 'crowd', data: 'x'.repeat(4_000) } as const;

let target: Target;
let edge: EdgeProcess;
const clients: RawClient[] = [];

beforeAll(async () => {
  target = await startTarget();
  // What one connection may send is as it is shipped.
  edge = await target.addEdge({ SLUICE_EDGE_MAX_FRAMES_PER_SECOND: undefined });
  await target.addWorker();
}, 60_000);
afterAll(async () => {
  for (const client of clients) client.close();
  await target.close();
}, 60_000);

const open = async (token: string, transport: TransportKind = 'websocket'): Promise<RawClient> => {
  const client =
    transport === 'websocket'
      ? await openRawClient(`${edge.url.replace('http', 'ws')}/v1/ws`, { token })
      : await openRawHttpClient(edge.url, { token, transport });
  clients.push(client);
  await client.nextFrame('ready');
  return client;
};

const subscribe = async (client: RawClient, session: string): Promise<RawClient> => {
  client.send({ type: 'subscribe', session });
  await client.nextFrame('subscribed');
  return client;
};

type Flood = { readonly sent: number; readonly got: number };

/** Who may signal does so: whatever was to come before it has come to everybody by then. */
const untilAllHear = async (viewers: readonly RawClient[]): Promise<void> => {
  viewers[0]?.send({ type: 'signal', session: 'crowd', data: LAST });
  const hasHeard = ({ frames }: RawClient): boolean => frames('signal').some(({ data }) => data === LAST);
  await waitFor(() => viewers.slice(1).every(hasHeard), { what: 'the last signal', timeoutMs: 10_000 });
};

/** Sends signals at the rate that a connection is allowed. @returns bytes in and out */
const flood = async (attacker: RawClient, viewers: readonly RawClient[]): Promise<Flood> => {
  const got = (): number =>
    viewers.reduce(
      (sum, { frames }) =>
        sum +
        frames('signal')
          .filter(({ data }) => data !== LAST)
          .reduce((size, frame) => size + JSON.stringify(frame).length, 0),
      0,
    );
  const before = got();
  let sent = 0;
  const until = performance.now() + FLOOD_MS;
  while (performance.now() < until) {
    attacker.send(SIGNAL);
    sent += JSON.stringify(SIGNAL).length;
    await new Promise((resolve) => setTimeout(resolve, 11));
  }
  // What was sent before it has been handled.
  attacker.send({ type: 'ping' });
  await attacker.nextFrame('pong', 10_000);
  await untilAllHear(viewers);
  return { sent, got: got() - before };
};

/** Floods a session that many watch, and tells what that came to. */
const attack = async (name: string, attacker: RawClient): Promise<Flood> => {
  const viewers = await Promise.all(
    Array.from({ length: VIEWERS }, async () => subscribe(await open(tokenFor('ann')), 'crowd')),
  );
  await subscribe(attacker, 'crowd');
  const bystander = await openBystander(edge.url);
  const memory = await watchMemory(edge.child.pid);
  const flooding = flood(attacker, viewers);
  const pings = await bystander.pingDuring(flooding);
  const { sent, got } = await flooding;
  for (const each of [...viewers, attacker, bystander]) each.close();
  memory.close();
  tell(name, { 'bytes in': sent, 'bytes out': got, ...pings, 'RSS + MiB': memory.growth() });
  return { sent, got };
};

describe.each(['websocket', 'sse', 'poll'] as const)('over %s', (transport) => {
  test(
    'a token that may only read signals to nobody',
    async () => {
      const { got } = await attack(`signals of a reader over ${transport}`, await open(READER, transport));
      expect(got).toBe(0);
    },
    FLOOD_MS + 60_000,
  );

  test('a token that may only read does not hold up a run of the slowest', async () => {
    const session = `run-${transport}`;
    const author = await subscribe(await open(tokenFor('ann')), session);
    await subscribe(await open(READER, transport), session);
    const generation = 'g';
    const params = { simulated: { tokens: 200, tokensPerSecond: 200 } };
    author.send({ type: 'prompt', session, generation, input: 'go', governor: 'slowest', params });
    let seq = 0;
    const isOver = (): boolean => {
      const newest = author.frames('delta').at(-1)?.seq ?? 0;
      if (newest > seq) author.send({ type: 'ack', session, generation, epoch: 0, seq: (seq = newest) });
      return author.frames('end').length > 0;
    };
    await waitFor(isOver, { what: 'the end of the run', timeoutMs: 12_000, pollMs: 10 }).catch(
      () => undefined,
    );
    tell(`acks withheld by a reader over ${transport}`, { 'tokens of 200': seq });
    expect(seq).toBe(200);
  }, 60_000);
});

test(
  'an ordinary token’s signals stay within what one user may cost',
  async () => {
    const { got } = await attack('signals of a user over websocket', await open(tokenFor('mallory')));
    expect(got).toBeGreaterThan(0);
    // A second's worth ahead of the rate, and the signal that goes beyond it.
    expect(got).toBeLessThan(256 * 1024 * (FLOOD_MS / 1_000 + 2) + VIEWERS * 4_200);
  },
  FLOOD_MS + 60_000,
);
