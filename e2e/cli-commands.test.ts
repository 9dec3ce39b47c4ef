import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { epochSeconds, freePort, openRawClient } from '@sluice/testkit';
import type { RawClient } from '@sluice/testkit';
import jwt from 'jsonwebtoken';
import { openCommandLine } from './support/cli.ts';
import type { CommandLine, UpReady } from './support/cli.ts';

const SECRET = 'a secret of the tests, at least 32 bytes';

let cli: CommandLine;
let ready: UpReady;
let secretFile: string;

beforeAll(async () => {
  cli = await openCommandLine();
  // Slow enough to be interrupted, fast enough for a test.
  const speed = { SLUICE_SIMULATED_TOKENS_PER_SECOND: '150' };
  secretFile = await cli.write('secret', `${SECRET}\n`);
  ready = (await cli.up(['--jwt-secret-file', secretFile], speed)).ready;
}, 60_000);

afterAll(() => cli.close());

type Event = { readonly event: string; readonly text?: string; readonly reason?: string };

/** All that `tail --json` says until an item or its end shows that the answer is complete. */
const answerOf = async (session: string): Promise<string> => {
  const tail = await cli.start(['tail', session, '--json']);
  const lines = await tail.stdout.takeUntil((line) => line.includes('"status":"done"'), 20_000);
  expect(await tail.kill('SIGINT')).toEqual({ code: 0, signal: null });
  return (JSON.parse(lines.at(-1) ?? '') as Event).text ?? '';
};

describe('sluice sessions', () => {
  test('lists, renames and deletes what was said', async () => {
    await cli.run(['chat', '--session', 'listed'], { input: 'one\n' });
    expect(await cli.run(['sessions', 'rename', 'listed', 'A first try'])).toMatchObject({
      code: 0,
      stderr: '',
    });
    const listed = await cli.run(['sessions', 'list', '--limit', '1']);
    expect(listed.stdout).toMatch(/listed .* 1 items {2}A first try\n$/);
    expect((await cli.run(['sessions', 'delete', 'listed'])).code).toBe(0);
    const after = await cli.run(['sessions', 'list', '--json']);
    expect(after.stdout).not.toContain('"listed"');
    const late = await cli.run(['sessions', 'rename', 'listed', 'x']);
    expect([late.code, late.stderr]).toEqual([1, expect.stringContaining('404: session_deleted')]);
  });
});

describe('sluice chat', () => {
  test('answers each line of a pipe without any flag while a demo runs', async () => {
    const { code, stdout, stderr } = await cli.run(['chat', '--session', 'piped'], { input: 'one\n\ntwo\n' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const tail = await cli.start(['tail', 'piped']);
    const lines = await tail.stdout.takeUntil((line) => line.startsWith('you › two'), 10_000);
    lines.push(...(await tail.stdout.takeUntil((line) => line.startsWith('· stop,'), 10_000)));
    await tail.kill('SIGINT');
    const said = lines.filter((line) => !/^(you ›|· stop,)/.test(line) && line !== '');
    expect(said).toEqual(stdout.split('\n').filter((line) => line !== ''));
  });

  test('goes on in the middle of a sentence when the edge was killed', async () => {
    const cut = cli.run(['chat', '--session', 'cut'], { input: 'a long answer, please\n' });
    const tail = await cli.start(['tail', 'cut', '--json']);
    await tail.stdout.takeUntil((line) => line.includes('"event":"delta"'), 10_000);
    process.kill(ready.pids['edge-1'] as number, 'SIGKILL');
    const { code, stdout, stderr } = await cut;
    expect(code).toBe(0);
    expect(stderr).toMatch(/· connection lost .*\n· connected again after [\d.]+ s\n/);
    await tail.kill('SIGINT');
    expect(stdout.trimEnd()).toBe((await answerOf('cut')).trimEnd());
  });

  test('stops an answer on SIGINT', async () => {
    const input = 'a long answer, please\n';
    const { stdout, stderr } = await cli.run(['chat', '--session', 'stopped'], { input, signal: 'SIGINT' });
    expect(stderr).toMatch(/· stopped after \d+ tokens; the engine ended \d+ ms later\n$/);
    expect((await answerOf('stopped')).trimEnd()).toBe(stdout.trimEnd());
  });

  test.each([
    [
      ['--url', 'http://127.0.0.1:9', '--token', 'x'],
      'expected a Sluice edge at http://127.0.0.1:9, nothing listens there',
    ],
    [['--url', 'http://127.0.0.1:9'], 'no token for http://127.0.0.1:9'],
    [['--session', 'a.b'], 'Expected 1-64 characters'],
  ])('says what is wrong with %p', async (flags, message) => {
    const { code, stdout, stderr } = await cli.run(['chat', ...flags]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
  });

  test('says what to do about a token that the edge refuses', async () => {
    const token = jwt.sign({ org: 'demo' }, SECRET.replace('a', 'b'), { subject: 'ann', expiresIn: 60 });
    const { code, stderr } = await cli.run(['chat', '--url', ready.url, '--token', token]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/refused the connection \(code 4401.*make a new one with `sluice token`\n$/);
  });
});

describe('sluice token', () => {
  test('prints a token that the edge takes', async () => {
    const flags = [
      '--org',
      'acme',
      '--user',
      'ann',
      '--scope',
      'read,prompt',
      '--sessions',
      'a,b*',
      '--ttl',
      '15m',
    ];
    const { stdout } = await cli.run(['token', ...flags, '--secret-file', secretFile]);
    const claims = jwt.verify(stdout.trim(), SECRET, { algorithms: ['HS256'] }) as jwt.JwtPayload;
    expect(claims).toMatchObject({ org: 'acme', sub: 'ann', scope: 'read prompt', sessions: ['a', 'b*'] });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(900);
    const chat = await cli.run(['chat', '--session', 'b-1', '--url', ready.url, '--token', stdout.trim()], {
      input: 'hi\n',
    });
    expect(chat).toMatchObject({ code: 0, stderr: '' });
  });

  test('signs for the demo that runs', async () => {
    const { stdout } = await cli.run(['token', '--org', 'demo', '--user', 'bob']);
    expect(jwt.verify(stdout.trim(), SECRET)).toMatchObject({ sub: 'bob' });
  });

  test.each([
    [['--user', 'ann'], "required option '--org <id>' not specified"],
    [
      ['--org', 'a', '--user', 'b', '--scope', 'root'],
      'expected some of read, prompt, cancel, signal, delete, usage, admin, got "root"',
    ],
    [['--org', 'a', '--user', 'b', '--ttl', 'soon'], 'Expected a time such as 90s'],
  ])('says what is wrong with %p', async (flags, message) => {
    const { code, stdout, stderr } = await cli.run(['token', ...flags]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
  });
});

describe('sluice revoke', () => {
  const tokenAt = (iat: number): string =>
    jwt.sign({ org: 'demo', iat }, SECRET, { subject: 'eve', expiresIn: 600 });
  const open = (token: string): Promise<RawClient> =>
    openRawClient(`${ready.url.replace('http', 'ws')}/v1/ws`, { token, auth: 'header' });
  const who = ['--org', 'demo', '--user', 'eve'];

  test('throws a user out, lets in whoever signs in again, and takes it back', async () => {
    const [old, newer] = [tokenAt(epochSeconds() - 60), tokenAt(epochSeconds() + 20)];
    const client = await open(old);
    await client.nextFrame('ready');
    const { code, stdout, stderr } = await cli.run(['revoke', ...who, '--for', '1h']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^revoked: user "eve" of org demo, tokens issued until 20.*Z; counts until 20.*Z\n$/,
    );
    expect(await client.closed).toEqual({ code: 4401, reason: 'the token was revoked' });
    expect((await (await open(old)).closed).code).toBe(4401);
    const again = await open(newer);
    await again.nextFrame('ready');
    again.terminate();
    expect(stdout).toContain((await cli.run(['revoke', '--list'])).stdout);
    expect((await cli.run(['revoke', ...who, '--lift'])).stdout).toMatch(/^lifted: user "eve"/);
    expect(await cli.run(['revoke', '--list'])).toMatchObject({ code: 0, stdout: '' });
    const back = await open(old);
    await back.nextFrame('ready');
    back.terminate();
  });

  test('shortens none that is there already', async () => {
    const until = (text: string): string | undefined => /counts until (\S+)/.exec(text)?.[1];
    const first = await cli.run(['revoke', ...who, '--for', '7d']);
    const second = await cli.run(['revoke', ...who, '--for', '1m', '--before', '2026-01-01']);
    expect(until(second.stdout)).toBe(until(first.stdout));
    expect(second.stdout).toBe(first.stdout);
    await cli.run(['revoke', ...who, '--lift']);
  });

  test.each([
    [['--user', 'eve'], '--org: expected whose tokens are meant, got none'],
    [['--org', 'demo'], 'expected one of --user, --token-id, --session and --everybody, got none'],
    [[...who, '--everybody'], '--everybody, got several'],
    [[...who, '--before', 'soon'], 'Expected a time such as 2026'],
  ])('says what is wrong with %p', async (flags, message) => {
    const { code, stdout, stderr } = await cli.run(['revoke', ...flags]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
  });
});

describe('sluice org', () => {
  test('changes what is set for an org, and shows it', async () => {
    const changed = await cli.run(['org', 'set', 'acme', 'quota.user.promptsPerMinute=3', 'models=a,b']);
    expect(changed).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await cli.run(['org', 'show', 'acme']);
    expect(JSON.parse(stdout)).toEqual({ quota: { user: { promptsPerMinute: 3 } }, models: ['a', 'b'] });
    const wrong = await cli.run(['org', 'set', 'acme', 'quota.user.promptsPerMinut=4']);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain('promptsPerMinut');
    expect((await cli.run(['org', 'show', 'acme'])).stdout).toBe(stdout);
  });
});

describe('sluice doctor', () => {
  test('finds nothing wrong with a demo', async () => {
    const { code, stdout } = await cli.run(['doctor', '--secret-file', secretFile]);
    expect(stdout).not.toMatch(/^(fail|skip)/m);
    expect(stdout.match(/^ok /gm)).toHaveLength(10);
    expect(code).toBe(0);
  });

  test('tells a wrong token from a wrong port', async () => {
    const token = jwt.sign({ org: 'demo' }, SECRET.replace('a', 'b'), { subject: 'ann', expiresIn: 60 });
    const wrong = await cli.run(['doctor', '--url', ready.url, '--token', token]);
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toMatch(/^ok +WebSocket/m);
    expect(wrong.stdout).toMatch(/^fail +sign-in .*4401/m);

    const expired = jwt.sign({ org: 'demo' }, SECRET, { subject: 'ann', expiresIn: -60 });
    const late = await cli.run(['doctor', '--url', 'http://127.0.0.1:9', '--token', expired]);
    expect(late.code).toBe(1);
    expect(late.stdout).toMatch(/^fail +token +expired/m);
    expect(late.stdout).toMatch(/^fail +WebSocket .*nothing listens there/m);

    // Within what clocks may differ by, an edge would still take it.
    const justNow = jwt.sign({ org: 'demo' }, SECRET, { subject: 'ann', expiresIn: -10 });
    const { stdout } = await cli.run(['doctor', '--url', ready.url, '--token', justNow]);
    expect(stdout).toMatch(/^fail +token +expired/m);
    expect(stdout).toMatch(/^skip +sign-in +needs a token that has not expired/m);
  });

  test('says so when neither NATS nor the upstream is there', async () => {
    const port = await freePort();
    const flags = ['--nats-url', `nats://127.0.0.1:${port}`, '--upstream', `http://127.0.0.1:${port}/v1`];
    const { code, stdout } = await cli.run(['doctor', ...flags]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^fail +NATS .*ECONNREFUSED/m);
    expect(stdout).toMatch(/^skip +JetStream/m);
    expect(stdout).toMatch(/^fail +upstream .*ECONNREFUSED/m);
  });

  test('names the servers of a cluster that do not answer, and looks at the rest through one that does', async () => {
    const gone = `127.0.0.1:${await freePort()}`;
    const { code, stdout } = await cli.run(['doctor', '--nats-url', `nats://${gone},${ready.nats}`]);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      new RegExp(`^fail +NATS +1 of 2 servers do not answer: nats://${gone}: .*ECONNREFUSED`, 'm'),
    );
    expect(stdout).toMatch(/^ok +replicas +one copy/m);
  });

  test('finds streams with other settings', async () => {
    const { code, stdout } = await cli.run(['doctor', '--replicas', '3']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^fail +streams .*num_replicas: expected 3, found 1/m);
  });
});
