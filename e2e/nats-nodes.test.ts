/** `sluice up --nats-nodes 3`: a NATS cluster on this machine, any server of which may go. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createNatsBus } from '@sluice/bus';
import type { Bus } from '@sluice/bus';
import { checkTranscript, sha256, waitFor } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';
import { keyOf, recordedClient, storedText } from './support/clients.ts';
import type { RecordedClient } from './support/clients.ts';
import { gone, isAlive, openCommandLine } from './support/cli.ts';
import type { CommandLine, UpReady } from './support/cli.ts';
import { attachmentsOf } from './support/recording.ts';

const TOKENS = 1_000;
const NODES = ['nats-1', 'nats-2', 'nats-3'];

let cli: CommandLine;
let child: Child;
let ready: UpReady;
let bus: Bus;
/** of everything that was ever started */
let pids: number[];
let viewer: RecordedClient;

beforeAll(async () => {
  cli = await openCommandLine();
  const speed = { SLUICE_SIMULATED_TOKENS_PER_SECOND: '100' };
  ({ child, ready } = await cli.up(['--nats-nodes', '3'], speed));
  pids = Object.values(ready.pids);
  bus = await createNatsBus({ url: ready.nats, name: 'e2e', replicas: 3 });
  viewer = recordedClient(ready.url, 'you', { token: ready.token });
}, 90_000);

afterAll(async () => {
  await viewer.client.close();
  await bus.close();
  await cli.close();
}, 30_000);

const leaderOf = (stream: string): Promise<string> =>
  waitFor(async () => (await bus.link.streams()).find(({ name }) => name === stream)?.leader, {
    what: `a leader of ${stream}`,
  });

/** Resolves when every copy of every stream is up to date. */
const inStep = async (): Promise<void> => {
  const isInStep = async (): Promise<boolean> => {
    // While a leader is elected nobody answers.
    const streams = await bus.link.streams().catch(() => []);
    return (
      streams.length > 0 && streams.every(({ leader, behind }) => leader !== undefined && behind.length === 0)
    );
  };
  await waitFor(isInStep, { what: 'all copies to be up to date', timeoutMs: 30_000 });
};

test('names every server and keeps three copies', async () => {
  expect(Object.keys(ready.pids)).toEqual([...NODES, 'edge-1', 'worker-1']);
  const urls = ready.nats.split(',');
  expect(new Set(urls).size).toBe(3);
  for (const url of urls) expect(url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
  await inStep();
  for (const { replicas, leader } of await bus.link.streams()) {
    expect(replicas).toBe(3);
    expect(NODES).toContain(leader);
  }
  const { stdout } = await cli.run(['doctor']);
  expect(stdout).toMatch(/^ok +replicas +3 copies of each stream, all up to date; led by nats-/m);
  expect(stdout).not.toMatch(/^fail/m);
});

test('kill -9 of the server that leads the token log: the stream goes on, and its text is what is stored', async () => {
  const params = { simulated: { tokens: TOKENS, watermark: 'w' } };
  const generation = viewer.client.session('s').prompt({ input: 'go', params });
  await waitFor(() => generation.position.seq >= 200, { what: 'two hundred tokens', timeoutMs: 20_000 });
  const leader = await leaderOf('TOKENS');
  const pid = ready.pids[leader] as number;
  process.kill(pid, 'SIGKILL');
  const text = await generation.done;
  const expected = Array.from({ length: TOKENS }, (_, i) => `⟦w.${i + 1}⟧`).join('');
  expect(sha256(text)).toBe(sha256(expected));
  expect(sha256(await storedText(bus, keyOf('s', generation.id, 'demo')))).toBe(sha256(expected));
  expect(checkTranscript(generation.id, attachmentsOf(viewer.sockets, generation.id)).violations).toEqual([]);
  const lines = await child.stderr.takeUntil(
    (line) => line.includes(`"part":"${leader}"`) && line.includes('"event":"ready_again"'),
    30_000,
  );
  pids.push((JSON.parse(lines.at(-1) ?? '') as { pid: number }).pid);
  await inStep();
}, 120_000);

test('Ctrl-C leaves no server behind', async () => {
  // All but the one that was killed.
  expect(pids.filter(isAlive)).toHaveLength(pids.length - 1);
  expect(await child.kill('SIGINT')).toEqual({ code: 0, signal: null });
  await gone(pids);
}, 30_000);

test.each([
  [['--nats-nodes', '2'], 'Expected 1 or 3.'],
  [['--nats-nodes', 'three'], 'Expected 1 or 3.'],
  [
    ['--nats-nodes', '3', '--nats-url', 'nats://127.0.0.1:4222'],
    "'--nats-url <url>' cannot be used with option '--nats-nodes <n>'",
  ],
])('refuses %p', async (flags, message) => {
  const { code, stdout, stderr } = await cli.run(['up', ...flags]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain(message);
});
