import { describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readyMessage, spawnNode, startChild, waitFor } from '../src/index.ts';

const SERVICE = fileURLToPath(new URL('./service-script.ts', import.meta.url));
const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

describe('spawnNode', () => {
  test('runs a TypeScript service, reads its ready message and its lines', async () => {
    const child = await spawnNode(SERVICE, ['serve'], { env: { DEMO: 'value' } });
    expect(await readyMessage(child)).toEqual({ ready: true, demo: 'value' });
    expect(await child.stderr.next()).toBe('log line');
    const { signal } = await child.kill();
    expect(signal).toBe('SIGKILL');
    expect(isAlive(child.pid)).toBe(false);
  });

  test('a service that exits before it is ready fails with its output', async () => {
    const child = await spawnNode(SERVICE, ['fail']);
    await expect(readyMessage(child)).rejects.toThrow(/exited with 3[^]*no port/);
    expect(await child.exited).toEqual({ code: 3, signal: null });
  });
});

describe('startChild', () => {
  test('a paused process can be ended', async () => {
    const child = await startChild('sleep', ['60']);
    await child.pause();
    await child.kill('SIGTERM');
    expect(isAlive(child.pid)).toBe(false);
  });

  test('killing one that is gone already is quiet', async () => {
    const child = await startChild('true', []);
    await child.exited;
    expect(await child.kill()).toEqual({ code: 0, signal: null });
  });

  test('a missing binary is an error', async () => {
    await expect(startChild('/no/such/binary', [])).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('children die with the process that started them, even when it is killed', async () => {
    const parent = await spawnNode(SERVICE, ['parent']);
    const { pid } = await readyMessage(parent);
    expect(isAlive(pid as number)).toBe(true);
    await parent.kill('SIGKILL');
    await waitFor(() => !isAlive(pid as number), { what: 'the orphan to be ended' });
  });
});
