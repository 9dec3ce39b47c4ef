/** The units of deploy/systemd, by systemd's own checks; nothing is started. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { edgeConfigSchema } from '@sluice/edge';
import { describeConfig } from '@sluice/runtime';
import type { ConfigSchema } from '@sluice/runtime';

const UNITS = join(import.meta.dirname, '../deploy/systemd');
/** Of 100, where 0 is no exposure at all: a service that uses the network cannot be there. */
const MOST_EXPOSURE = 15;

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
// A quiet skip would look like a pass.
if (!hasSystemd) console.warn('skipped: no systemd-analyze on this machine');
const withSystemd = hasSystemd ? test : test.skip;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-units-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe.each(['edge', 'worker'])('sluice-%s.service', (service) => {
  const name = `sluice-${service}.service`;
  const read = (): Promise<string> => readFile(join(UNITS, name), 'utf8');

  withSystemd('is taken by systemd, and exposes little', async () => {
    const unit = join(folder, name);
    // Where Node is differs between machines, and systemd looks.
    await writeFile(unit, (await read()).replace('/usr/bin/node', process.execPath));
    const run = promisify(execFile);
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', unit]);
    expect(stdout + stderr).toBe('');
    const offline = ['security', '--offline=true', `--threshold=${MOST_EXPOSURE}`, unit];
    expect((await run('systemd-analyze', offline)).stdout).toContain('Overall exposure level');
  });

  test('names settings that its service reads, and credentials that it is given', async () => {
    const { workerConfigSchema } = (await import(
      join(import.meta.dirname, '../services/worker/src/config.ts')
    )) as { workerConfigSchema: ConfigSchema };
    const known = new Set(
      describeConfig(service === 'edge' ? edgeConfigSchema : workerConfigSchema).flatMap(({ env, secret }) =>
        secret ? [env, `${env}_FILE`] : [env],
      ),
    );
    const text = await read();
    const set = [...text.matchAll(/(SLUICE_\w+)=/g)].map(([, variable = '']) => variable);
    expect(set.filter((variable) => !known.has(variable))).toEqual([]);
    const given = [...text.matchAll(/^LoadCredential=([\w-]+):/gm)].map(([, credential]) => credential);
    const asked = [...text.matchAll(/%d\/([\w-]+)/g)].map(([, credential]) => credential);
    expect(asked.toSorted()).toEqual(given.toSorted());
    expect(asked.length).toBeGreaterThan(1);
  });
});
