/** `sluice streams apply`: how the streams of an installation are made and changed. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { startNatsServer } from '@sluice/testkit';
import type { NatsServer } from '@sluice/testkit';
import { connect } from 'nats';
import { openCommandLine } from './support/cli.ts';
import type { CommandLine } from './support/cli.ts';
import { spawnEdge, spawnWorker } from './support/processes.ts';
import { SHIPPED_USERS } from './support/shipped-users.ts';

/** How many there are. */
const STREAMS = 13;

let cli: CommandLine;
let nats: NatsServer;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  cli = await openCommandLine();
});
afterAll(() => cli.close());
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const start = async (config = ''): Promise<void> => {
  nats = await startNatsServer({ config });
  closers.push(() => nats.stop());
};
const apply = (...flags: readonly string[]) =>
  cli.run(['streams', 'apply', '--nats-url', nats.url, ...flags]);
/** The first word of each line, and how often. */
const wordsOf = ({ stdout }: { readonly stdout: string }): Record<string, number> => {
  const words: Record<string, number> = {};
  for (const line of stdout.trim().split('\n')) {
    const [word = ''] = line.split(' ');
    words[word] = (words[word] ?? 0) + 1;
  }
  return words;
};
const asAdmin = async <Result>(
  run: (jsm: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<Result>,
): Promise<Result> => {
  const nc = await connect({ servers: nats.url });
  try {
    return await run(await jetstreamManager(nc));
  } finally {
    await nc.close();
  }
};

describe('with the shipped users', () => {
  let folder: string;
  const passwordFile = (user: string): string => join(folder, user);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-apply-'));
    for (const user of ['admin', 'edge', 'worker']) await writeFile(passwordFile(user), `${user}-pw`);
  });
  afterAll(() => rm(folder, { recursive: true }));
  beforeEach(async () => {
    await start(SHIPPED_USERS);
  });
  const login = (user: string) => ({
    SLUICE_NATS_USER: user,
    SLUICE_NATS_PASSWORD_FILE: passwordFile(user),
  });
  const applyAs = (user: string, ...flags: readonly string[]) =>
    cli.run(['streams', 'apply', '--nats-url', nats.url, ...flags], { env: login(user) });

  test('admin makes the streams of a new server; then edges and workers start', async () => {
    const made = await applyAs('admin');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(wordsOf(made)).toEqual({ made: STREAMS });
    const edge = await spawnEdge(nats.url, login('edge'));
    closers.push(() => edge.child.kill());
    const worker = await spawnWorker(nats.url, login('worker'));
    closers.push(() => worker.kill());
    for (const user of ['admin', 'edge']) {
      const { stdout } = await cli.run(['doctor', '--nats-url', nats.url], { env: login(user) });
      expect(stdout).toMatch(/^ok +streams +settings as expected/m);
      expect(stdout).toMatch(/^ok +workers +1 alive/m);
    }
  }, 60_000);

  test('nobody else makes them, and an edge says who should', async () => {
    const refused = await applyAs('edge');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^sluice: expected a NATS user who may make TOKENS, got .*ermission/);
    await expect(spawnEdge(nats.url, login('edge'))).rejects.toThrow(
      /no stream TOKENS, and no permission to make it \(`sluice streams apply`\)/,
    );
  }, 60_000);
});

test('looks, makes, and has nothing left to do', async () => {
  await start();
  expect(await apply('--check')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^missing +TOKENS$/m),
  });
  const dry = await apply('--dry-run');
  expect(dry.code).toBe(0);
  expect(wordsOf(dry)).toEqual({ missing: STREAMS });
  expect(wordsOf(await apply())).toEqual({ made: STREAMS });
  expect(wordsOf(await apply())).toEqual({ ok: STREAMS });
  expect(await apply('--check')).toMatchObject({ code: 0 });
}, 60_000);

test('changes what the server can change, says what blocks the rest, and does the rest', async () => {
  await start();
  await asAdmin(async ({ streams }) => {
    await streams.add({ name: 'JOBS', subjects: ['job.*.*.*.*.*', 'own.*.*.*.*.*.*'] });
    await streams.add({
      ...{ name: 'KV_SESSIONS', subjects: ['$KV.SESSIONS.>'], max_msgs_per_subject: 1 },
      ...{ allow_rollup_hdrs: true, deny_delete: true },
    });
  });
  expect((await apply('--check')).stdout).toMatch(
    /^differs +KV_SESSIONS: .*allow_rollup_hdrs: expected false, found true/m,
  );
  const doctor = await cli.run(['doctor', '--nats-url', nats.url]);
  expect(doctor.stdout).toMatch(/^fail +streams .*KV_SESSIONS: .*allow_rollup_hdrs: expected false/m);
  expect(doctor.stdout).toMatch(/→ run `sluice streams apply`.*JOBS: The server cannot change retention/);
  const blocked =
    /^blocked +JOBS: .*retention: expected "workqueue", found "limits".*cannot change retention/m;
  expect(await apply('--dry-run')).toMatchObject({ code: 1, stdout: expect.stringMatching(blocked) });
  const done = await apply();
  expect(done).toMatchObject({ code: 1, stdout: expect.stringMatching(blocked) });
  expect(wordsOf(done)).toEqual({ blocked: 1, changed: 1, made: STREAMS - 2 });
  await asAdmin(async ({ streams }) => {
    expect((await streams.info('KV_SESSIONS')).config).toMatchObject({ allow_rollup_hdrs: false });
    await streams.delete('JOBS');
  });
  expect(wordsOf(await apply())).toEqual({ ok: STREAMS - 1, made: 1 });
}, 60_000);

test.each([
  ['wss://a', 'Expected a URL that begins with nats://, tls://.'],
  ['tls://a,nats://b', 'SLUICE_NATS_URL: expected nats://host:port or, for all of them, tls://host:port'],
])('refuses the address %s', async (url, message) => {
  const { code, stderr } = await cli.run(['streams', 'apply', '--nats-url', url]);
  expect(code).toBe(1);
  expect(stderr).toContain(message);
});
