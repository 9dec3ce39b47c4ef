import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod, readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readyMessage, startNatsServer, waitFor } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';
import { jetstreamManager } from '@nats-io/jetstream';
import jwt from 'jsonwebtoken';
import { connect } from 'nats';
import { gone, isAlive, openCommandLine } from './support/cli.ts';
import type { CommandLine, UpReady } from './support/cli.ts';

let cli: CommandLine;
let running: Child | undefined;

beforeAll(async () => {
  cli = await openCommandLine();
});

afterEach(async () => {
  await running?.kill('SIGTERM');
  running = undefined;
});

afterAll(() => cli.close());

const up = async (...args: Parameters<CommandLine['up']>) => {
  const started = await cli.up(...args);
  running = started.child;
  return started;
};

const stores = async (): Promise<readonly string[]> =>
  (await readdir(cli.folder)).filter((name) => name.startsWith('sluice-up-'));

const demoFile = (): string => join(cli.folder, `sluice-${userInfo().uid}`, 'demo.json');

const statusOf = async (url: string): Promise<number> => (await fetch(url)).status;

describe('sluice up', () => {
  test('shows its secrets in no command line, and takes them from files', async () => {
    const secret = 'canary secret of the tests, 32 bytes';
    const SLUICE_JWT_SECRET_FILE = await cli.write('jwt-secret', `${secret}\n`);
    const { child, ready } = await up([], { SLUICE_JWT_SECRET_FILE });
    expect(jwt.verify(ready.token, secret, { algorithms: ['HS256'] })).toMatchObject({ sub: 'you' });
    const pids = [child.pid, ...Object.values(ready.pids)].join(',');
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'args=', '-p', pids]);
    expect(stdout.trim().split('\n')).toHaveLength(4);
    expect(stdout).not.toContain('canary');
    expect(stdout).not.toContain(ready.token);
  });

  test('starts before its upstream, and says that it waits for it', async () => {
    const { child } = await up(['--upstream', 'http://127.0.0.1:9/v1']);
    await waitFor(() => child.output().includes('ECONNREFUSED'), { what: 'a word of the upstream' });
    expect(child.output()).toContain('engine_away');
  });

  test('says in one line of JSON where everything is, and leaves nothing behind', async () => {
    const secret = 'a secret of the tests, at least 32 bytes';
    const { child, ready } = await up(['--edges', '2'], { SLUICE_JWT_SECRET: secret });
    expect(ready.urls).toHaveLength(2);
    expect(ready.url).toBe(ready.urls[0]);
    expect(ready.nats).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
    expect(Object.keys(ready.pids)).toEqual(['nats', 'edge-1', 'edge-2', 'worker-1']);
    expect(jwt.verify(ready.token, secret, { algorithms: ['HS256'] })).toMatchObject({
      org: 'demo',
      sub: 'you',
    });
    expect(await statusOf(`${ready.admin}/readyz`)).toBe(200);
    // A page that somebody develops against the demo.
    const origin = 'http://localhost:5173';
    const headers = { origin, 'access-control-request-method': 'POST' };
    const preflight = await fetch(`${ready.url}/api/chat`, { method: 'OPTIONS', headers });
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin);
    expect(Object.values(ready.pids).every(isAlive)).toBe(true);
    expect(await stores()).toHaveLength(1);
    expect((await stat(demoFile())).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(demoFile(), 'utf8'))).toMatchObject({
      url: ready.url,
      token: ready.token,
    });

    expect(await child.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(child.stdout.drain()).toEqual([]);
    await gone(Object.values(ready.pids));
    expect(await stores()).toEqual([]);
    await expect(stat(demoFile())).rejects.toThrow('ENOENT');
  });

  test('shows people a tick for each part, a short link, and no token', async () => {
    const child = await cli.start(['up', '--pretty', '--port', '0', '--admin-port', '0', '--nats-port', '0']);
    const ready = (await readyMessage(child, 25_000)) as UpReady;
    const shown = await child.stderr.takeUntil((line) => line.includes('Ctrl-C'), 5_000);
    const ticks = shown.filter((line) => /^ {2}✓ (nats|edge-1|worker-1) +\d+\.\d s$/.test(line));
    expect(ticks).toHaveLength(3);
    const [link = ''] = shown.join('\n').match(/http\S+#code=\S+/) ?? [];
    expect(link).toBe(ready.link);
    expect(link.length).toBeLessThanOrEqual(80);
    expect(shown.filter((line) => line.length > 100 || line.startsWith('{'))).toEqual([]);
    expect(shown.join('\n')).not.toContain(ready.token);
    await child.kill('SIGTERM');
  });

  test('starts a killed edge again at the same address', async () => {
    const { child, ready } = await up();
    process.kill(ready.pids['edge-1'] as number, 'SIGKILL');
    await child.stderr.takeUntil((line) => line.includes('"event":"ready_again"'), 20_000);
    const { code, stdout } = await cli.run(['chat', '--url', ready.url, '--token', ready.token], {
      input: 'hi\n',
    });
    expect(code).toBe(0);
    expect(stdout.length).toBeGreaterThan(20);
  });

  test('kills the edge or the worker that a page of its own names, and starts it again', async () => {
    const { child, ready } = await up(['--edges', '2']);
    const [port, token] = ready.kill?.split('.') ?? [];
    const order = async (path: string, origin: string | undefined): Promise<number> => {
      const headers = { authorization: `Bearer ${token}`, ...(origin === undefined ? {} : { origin }) };
      return (await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers })).status;
    };
    expect(await order('/edge/kill', undefined)).toBe(403);
    expect(await order('/edge/kill', ready.urls[1])).toBe(204);
    const again = (part: string) => (line: string) => line.includes(`"part":"${part}","event":"ready_again"`);
    await child.stderr.takeUntil(again('edge-2'), 20_000);
    expect(await order('/workers/worker-1/kill', ready.url)).toBe(204);
    await child.stderr.takeUntil(again('worker-1'), 20_000);
    expect(await order('/workers/worker-2/kill', ready.url)).toBe(409);
    expect(isAlive(ready.pids['edge-1'] as number)).toBe(true);
  });

  test('takes no order to kill where it listens for other machines', async () => {
    const { ready } = await up(['--host', '0.0.0.0']);
    expect(ready.kill).toBeUndefined();
  });

  test('starts a killed NATS again with its data', async () => {
    const { child, ready } = await up();
    const { stdout } = await cli.run(['chat', '--session', 'kept'], { input: 'hi\n' });
    process.kill(ready.pids['nats'] as number, 'SIGKILL');
    await child.stderr.takeUntil((line) => line.includes('"event":"ready_again"'), 20_000);
    const tail = await cli.start(['tail', 'kept', '--json']);
    const line = await tail.stdout.takeUntil((text) => text.includes('"event":"item"'), 20_000);
    expect((JSON.parse(line.at(-1) ?? '') as { text: string }).text.trimEnd()).toBe(stdout.trimEnd());
  });

  test('ends everything when it is itself killed', async () => {
    const { child, ready } = await up();
    await child.kill('SIGKILL');
    await gone(Object.values(ready.pids));
    await waitFor(async () => (await stores()).length === 0, { what: 'the temporary folder to be removed' });
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'ends everything when its npx is ended by %s',
    async (signal) => {
      const npx = await cli.npx(['up', '--port', '0', '--admin-port', '0', '--nats-port', '0']);
      const ready = (await readyMessage(npx, 25_000)) as UpReady;
      const { pid } = JSON.parse(await readFile(demoFile(), 'utf8')) as { pid: number };
      expect(isAlive(pid)).toBe(true);
      await npx.kill(signal);
      await gone([pid, ...Object.values(ready.pids)]);
      await waitFor(async () => (await stores()).length === 0, {
        what: 'the temporary folder to be removed',
      });
    },
  );

  test('ends everything when it is asked to while it starts', async () => {
    const child = await cli.start(['up', '--port', '0', '--admin-port', '0', '--nats-port', '0']);
    await child.stderr.takeUntil((line) => line.includes('"part":"edge-1","event":"starting"'), 20_000);
    expect(await child.kill('SIGINT')).toEqual({ code: 0, signal: null });
    expect(await stores()).toEqual([]);
  });

  test('keeps data where it is told to, and uses a NATS that runs already', async () => {
    const nats = await startNatsServer();
    try {
      const { child, ready } = await up(['--nats-url', nats.url, '--workers', '2']);
      expect(ready.nats).toBe(nats.url);
      expect(Object.keys(ready.pids)).toEqual(['edge-1', 'worker-1', 'worker-2']);
      await child.kill('SIGTERM');
      expect(isAlive(nats.pid)).toBe(true);
    } finally {
      await nats.stop();
    }
    const data = join(cli.folder, 'data');
    const { child } = await up(['--data', data]);
    await child.kill('SIGTERM');
    expect(await readdir(data)).toEqual(['nats']);
  });

  test('keeps its data to its user, in a folder that was there before too', async () => {
    const data = join(cli.folder, 'open', 'data');
    const modes = async (): Promise<number[]> =>
      Promise.all([data, join(data, 'nats')].map(async (path) => (await stat(path)).mode & 0o777));
    const { child } = await up(['--data', data]);
    expect(await modes()).toEqual([0o700, 0o700]);
    await child.kill('SIGTERM');
    for (const path of [data, join(data, 'nats')]) await chmod(path, 0o755);
    await (await up(['--data', data])).child.kill('SIGTERM');
    // What else is in a folder that somebody made is theirs to show.
    expect(await modes()).toEqual([0o755, 0o700]);
  });

  test('changes streams of an earlier release in the data that it is given', async () => {
    const data = join(cli.folder, 'earlier');
    const { child, ready } = await up(['--data', data]);
    const nc = await connect({ servers: ready.nats });
    const { streams } = await jetstreamManager(nc);
    await streams.delete('KV_PROMPTS');
    await streams.add({ name: 'KV_PROMPTS', subjects: ['$KV.PROMPTS.>'], allow_rollup_hdrs: true });
    await nc.close();
    await child.kill('SIGTERM');
    await (await up(['--data', data])).child.kill('SIGTERM');
  });
});

describe('sluice up says in one line why it cannot', () => {
  test.each(['--port', '--admin-port', '--nats-port'])('a taken port behind %s', async (flag) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = taken.address() as AddressInfo;
      const outcome = await cli.run(['up', '--port', '0', '--admin-port', '0', flag, `${port}`]);
      expect(outcome).toMatchObject({ code: 1, stdout: '' });
      expect(outcome.stderr).toMatch(
        new RegExp(`^sluice: port ${port} on 127\\.0\\.0\\.1 is in use; choose another with ${flag} .*\\n$`),
      );
    } finally {
      taken.close();
    }
    expect(await stores()).toEqual([]);
  });

  test.each([
    ['that no folder can be made in', '/proc', '/proc/sluice/data'],
    ['that is a file', import.meta.filename, import.meta.filename],
  ])('a --data %s', async (_, where, data) => {
    const outcome = await cli.run(['up', '--port', '0', '--admin-port', '0', '--data', data]);
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(
      new RegExp(`^sluice: --data: expected a folder that can be written to, got ${where}.* \\(.*\\)\\n$`),
    );
  });

  test.each([
    [['--engine', 'openai'], '--engine openai: expected --upstream'],
    [['--port', '70000'], 'Expected a whole number from 0 to 65535'],
    [['--jwt-secret', 'short'], "unknown option '--jwt-secret'"],
    [
      ['--jwt-secret-file', '/nowhere/secret'],
      '/nowhere/secret: expected a file that can be read, got ENOENT',
    ],
    [['--prot', '1'], 'Did you mean --port?'],
  ])('%p', async (flags, message) => {
    const { code, stderr } = await cli.run(['up', ...flags]);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });
});
