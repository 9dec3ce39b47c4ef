import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { platform } from 'node:os';
import { openRawClient, waitFor } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import type { EdgeProcess } from '../support/processes.ts';
import { tokenFor } from '../support/clients.ts';
import { tell } from './figures.ts';
import { openRawSocket, requestText } from './raw-socket.ts';
import { sized } from './size.ts';
import { startTarget } from './target.ts';
import type { Target } from './target.ts';

/** Half of what is shipped, or fast. A WebSocket that says nothing is closed after two of them, at the third. */
const HEARTBEAT_MS = sized({ small: 1_000, long: 10_000 });
const AS_A_SOCKET_MS = 3 * HEARTBEAT_MS;
/** Until nothing more fits into what the reader's kernel takes for it, ms. */
const FILL_MS = 10_000;
/** Fits what the kernels of both sides hold for a connection, and not what one of them does. */
const [LINES, LINE] = [80, 'x'.repeat(16 * 1024)];

let target: Target;
let edge: EdgeProcess;
let ann: RawClient;

beforeAll(async () => {
  target = await startTarget();
  edge = await target.addEdge({ SLUICE_EDGE_HEARTBEAT_MS: String(HEARTBEAT_MS) });
  await target.addWorker();
  ann = await openRawClient(`${edge.url.replace('http', 'ws')}/v1/ws`, { token: tokenFor('ann') });
}, 60_000);
afterAll(async () => {
  ann.close();
  await target.close();
}, 60_000);

const viewersIn = (session: string): number | undefined =>
  ann
    .frames()
    .flatMap((frame) =>
      (frame.type === 'presence' || frame.type === 'subscribed') && frame.session === session
        ? [frame.viewers]
        : [],
    )
    .at(-1);

const untilViewers = async (session: string, viewers: number, timeoutMs: number): Promise<number> => {
  const begun = performance.now();
  const what = `${viewers} viewers`;
  await waitFor(() => viewersIn(session) === viewers, { what, timeoutMs }).catch(() => undefined);
  return performance.now() - begun;
};

/** A program that asks and takes nothing: its machine sleeps, or its network is gone without a word. */
const readNothing = async (session: string, request: (headers: Headers) => string): Promise<void> => {
  ann.send({ type: 'subscribe', id: session, session });
  await ann.nextFrame((frame) => frame.type === 'ok' && frame.re === session);
  const reader = await openRawSocket(edge.url);
  reader.pause();
  await reader.send(request({ authorization: `Bearer ${tokenFor('bob')}` }));
  await untilViewers(session, 2, 5_000);
  expect(viewersIn(session)).toBe(2);
};

const untilGone = async (session: string): Promise<void> => {
  const ms = await untilViewers(session, 1, AS_A_SOCKET_MS + 15_000);
  tell(`a reader of ${session} that takes nothing`, { 'present for ms': ms, heartbeat: HEARTBEAT_MS });
  expect(viewersIn(session)).toBe(1);
  expect(ms).toBeLessThan(AS_A_SOCKET_MS + FILL_MS);
};

type Headers = Readonly<Record<string, string>>;

/** A long answer: it soon fills the receive buffer of the client’s kernel. */
const PARAMS = { simulated: { tokens: 1_000_000, tokensPerSecond: 5_000 } };

const STREAMS: readonly (readonly [string, (headers: Headers) => string])[] = [
  [
    'openai',
    (headers) =>
      requestText('POST', '/v1/chat/completions', {
        headers: { ...headers, 'content-type': 'application/json', 'x-sluice-session': 'openai' },
        body: JSON.stringify({ stream: true, messages: [{ role: 'user', content: 'x' }], ...PARAMS }),
      }),
  ],
  [
    'ai-sdk',
    (headers) =>
      requestText('POST', '/api/chat', {
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({
          id: 'ai-sdk',
          messages: [{ id: 'm', role: 'user', parts: [{ type: 'text', text: 'x' }] }],
          params: PARAMS,
        }),
      }),
  ],
];

// Elsewhere it is seen only once this process may write no more.
const onLinux = platform() === 'linux' ? test : test.skip;

onLinux(
  'a reader of events that takes nothing is present no longer than a socket would be',
  async () => {
    await readNothing('events', (headers) => requestText('GET', '/v1/sessions/events/events', { headers }));
    for (let line = 0; line < LINES; line += 1)
      ann.send({ type: 'message', session: 'events', message: `line-${line}`, text: LINE });
    await untilGone('events');
  },
  2 * AS_A_SOCKET_MS + 60_000,
);

onLinux.each(STREAMS)(
  'a reader of an answer by %s that takes nothing is present no longer than a socket would be',
  async (session, request) => {
    await readNothing(session, request);
    await untilGone(session);
    // It was not the answer that ended.
    const states = ann.frames('item').filter((frame) => frame.session === session);
    expect(states.filter(({ item }) => 'status' in item && item.status === 'done')).toEqual([]);
  },
  2 * AS_A_SOCKET_MS + 60_000,
);
