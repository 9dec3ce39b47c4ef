import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from '@jest/globals';
import { startChild, waitFor } from '@sluice/testkit';
import { z } from 'zod';
import { freePort } from './web-proxies.ts';

const PROGRAMS = { prometheus: '/usr/bin/prometheus', promtool: '/usr/bin/promtool' } as const;
const isThere = Object.values(PROGRAMS).every((path) => existsSync(path));
const isCi = process.env['CI'] === 'true';

/** A test that is skipped, in so many words, where Prometheus is not installed; in CI it fails there. */
export const prometheusTest = (): typeof test => {
  if (isThere || isCi) return test;
  // A quiet skip would look like a pass.
  console.warn('SKIPPED: no prometheus found (Debian package of that name).');
  return test.skip as typeof test;
};

/** Runs promtool in a folder. @returns what it printed @throws Error with what it printed, when it finds a fault */
export const promtool = async (folder: string, ...args: readonly string[]): Promise<string> => {
  const { stdout, stderr } = await promisify(execFile)(PROGRAMS.promtool, args, { cwd: folder });
  return stdout + stderr;
};

export type Sample = { readonly metric: Readonly<Record<string, string>>; readonly value: number };

export type Prometheus = {
  query(expr: string): Promise<readonly Sample[]>;
  close(): Promise<void>;
};

const answer = z.object({
  data: z.object({
    result: z.array(
      z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }),
    ),
  }),
});

/** A Prometheus that reads each target every half second. */
export const startPrometheus = async (
  targets: ReadonlyMap<string, readonly string[]>,
): Promise<Prometheus> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-prometheus-'));
  const jobs = [...targets].map(([job, addresses]) => ({
    job_name: job,
    static_configs: [{ targets: addresses }],
  }));
  const config = join(folder, 'prometheus.yml');
  // JSON is YAML.
  await writeFile(config, JSON.stringify({ global: { scrape_interval: '500ms' }, scrape_configs: jobs }));
  const address = `127.0.0.1:${await freePort()}`;
  const child = await startChild(PROGRAMS.prometheus, [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`,
  ]);
  const query = async (expr: string): Promise<readonly Sample[]> => {
    const response = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(expr)}`);
    const text = await response.text();
    if (!response.ok) throw new Error(`${expr}: ${text}`);
    return answer
      .parse(JSON.parse(text))
      .data.result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
  };
  const wanted = [...targets.values()].flat().length;
  const sees = async (): Promise<boolean> => (await query('up == 1').catch(() => [])).length === wanted;
  await waitFor(sees, { what: 'Prometheus to read every target', timeoutMs: 15_000 });
  return {
    query,
    close: async () => {
      await child.kill('SIGTERM', 10_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
};
