import { describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./shutdown-script.ts', import.meta.url));

type Run = { readonly child: ChildProcess; readonly output: () => string; readonly exit: Promise<unknown> };

/** Starts the script and resolves once it has said that it is ready. */
const start = async (mode: string): Promise<Run> => {
  const args = ['--conditions=sluice-source', '--import', 'tsx', SCRIPT, mode];
  const env = { ...process.env, NODE_OPTIONS: '' };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  const exit = once(child, 'close').then(([code]: unknown[]) => code);
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      if (output.includes('ready')) resolve();
    });
  });
  return { child, output: () => output, exit };
};

describe('onShutdown', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('%s closes and exits with 0', async (signal) => {
    const { child, output, exit } = await start('normal');
    child.kill(signal);
    expect(await exit).toBe(0);
    expect(output()).toContain(`closed by {"type":"signal","signal":"${signal}"}`);
  });

  test.each(['throw', 'reject', 'reject-undefined'])(
    'an uncaught %s closes and exits with 1',
    async (mode) => {
      const { output, exit } = await start(mode);
      expect(await exit).toBe(1);
      expect(output()).toContain('closed by {"type":"error"');
    },
  );

  test('a second signal forces the exit', async () => {
    const { child, output, exit } = await start('hang');
    const closing = once(child.stdout as NonNullable<typeof child.stdout>, 'data');
    child.kill('SIGTERM');
    await closing;
    child.kill('SIGTERM');
    expect(await exit).toBe(1);
    expect(output()).toContain('closing');
  });

  test('a close that takes too long is cut', async () => {
    const { child, exit } = await start('hang-briefly');
    child.kill('SIGTERM');
    expect(await exit).toBe(1);
  });

  test('trigger exits with 0', async () => {
    const { output, exit } = await start('trigger');
    expect(await exit).toBe(0);
    expect(output()).toContain('closed by {"type":"manual"}');
  });
});
