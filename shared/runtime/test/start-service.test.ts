import { describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { ConfigError, describeStartError } from '../src/index.ts';

const SCRIPT = fileURLToPath(new URL('./start-script.ts', import.meta.url));

type End = { readonly code: unknown; readonly stdout: string; readonly stderr: string };

const run = async (mode: string, argument = '', env: Record<string, string> = {}): Promise<End> => {
  const args = ['--conditions=sluice-source', '--import', 'tsx', SCRIPT, mode, argument];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  const [code] = (await once(child, 'close')) as unknown[];
  return { code, stdout, stderr };
};

describe('startService', () => {
  test('a start that fails is one line on stderr and the exit code 1', async () => {
    const line = 'sluice demo cannot start: expected this,; got that\n';
    expect(await run('fails')).toMatchObject({ code: 1, stderr: line });
  });

  test('what was opened before is closed, the newest first', async () => {
    expect((await run('fails')).stdout).toBe('second closed\nfirst closed\n');
  });

  test('what cannot be closed hides neither the rest nor the reason', async () => {
    expect(await run('closes-badly')).toEqual({
      code: 1,
      stdout: 'second closed\nfirst closed\n',
      stderr:
        'what was opened could not be closed: it is stuck\n' +
        'sluice demo cannot start: expected this,; got that\n',
    });
  });

  test('log level debug adds the stack', async () => {
    const { code, stderr } = await run('fails', '', { SLUICE_LOG_LEVEL: 'debug' });
    expect(code).toBe(1);
    expect(stderr).toContain('start-script.ts');
  });

  test('a port in use is named, with what to do', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    try {
      expect(await run('port-in-use', `${port}`)).toMatchObject({
        code: 1,
        stderr:
          `sluice demo cannot start: 127.0.0.1:${port}: expected an address that is free to listen on, ` +
          'got EADDRINUSE; end what listens there, or set another port\n',
      });
    } finally {
      taken.close();
    }
  });
});

describe('describeStartError', () => {
  const coded = (code: string, message: string): Error => Object.assign(new Error(message), { code });

  test('names every setting that is refused', () => {
    const error = new ConfigError([
      { name: 'SLUICE_A', expected: 'URL', got: '"x"' },
      { name: 'SLUICE_B', expected: 'text', got: 'nothing' },
    ]);
    expect(describeStartError(error)).toBe(
      'invalid configuration, 2 problem(s): SLUICE_A: expected URL, got "x"; SLUICE_B: expected text, got nothing',
    );
  });

  test.each([
    ['unavailable', 'SLUICE_NATS_URL'],
    ['refused_login', 'SLUICE_NATS_USER and SLUICE_NATS_PASSWORD'],
    ['refused_tls', 'SLUICE_NATS_CA_FILE'],
    ['unsupported_server', 'SLUICE_NATS_URL'],
  ])('says which setting mends %s', (code, setting) => {
    const text = describeStartError(coded(code, 'expected this, got that'));
    expect(text).toMatch(/^expected this, got that; /);
    expect(text).toContain(setting);
  });

  test.each([
    [new TypeError(''), 'TypeError'],
    ['no error at all', 'no error at all'],
    [undefined, 'undefined'],
  ])('has words for %p', (error, text) => {
    expect(describeStartError(error)).toBe(text);
  });
});
