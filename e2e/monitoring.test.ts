/** The rules, the alerts and the dashboards of `deploy`, by the real Prometheus. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from '@sluice/client';
import { startAdminServer } from '@sluice/runtime';
import type { AdminServer, AdminServerOptions } from '@sluice/runtime';
import { SimulatedEngine } from '@sluice/simulator';
import { startFaultProxy, waitFor } from '@sluice/testkit';
import type { FaultProxy } from '@sluice/testkit';
import { parse } from 'yaml';
import { z } from 'zod';
import { grafanaOf } from '../deploy/grafana/dashboards.ts';
import { DASHBOARDS } from '../deploy/grafana/panels.ts';
import { recordedClient } from './support/clients.ts';
import { prometheusTest, promtool, startPrometheus } from './support/prometheus.ts';
import type { Prometheus } from './support/prometheus.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const ROOT = join(import.meta.dirname, '..');
const RULES = join(ROOT, 'deploy/prometheus');
const withPrometheus = prometheusTest();

const alertRules = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({ alert: z.string(), expr: z.string(), annotations: z.object({ runbook: z.string() }) }),
      ),
    }),
  ),
});
const recordingRules = z.object({
  groups: z.array(z.object({ rules: z.array(z.object({ record: z.string(), expr: z.string() })) })),
});
const ruleTests = z.object({
  tests: z.array(
    z.object({
      alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })),
    }),
  ),
});
const read = async <Shape>(name: string, shape: z.ZodType<Shape>): Promise<Shape> =>
  shape.parse(parse(await readFile(join(RULES, name), 'utf8')));
const alertsOf = async () => (await read('alerts.yml', alertRules)).groups.flatMap(({ rules }) => rules);
const recordsOf = async () =>
  (await read('recording.yml', recordingRules)).groups.flatMap(({ rules }) => rules);

describe('The rules for Prometheus', () => {
  withPrometheus('are taken by it, with the configuration that names them', async () => {
    expect(await promtool(RULES, 'check', 'config', 'prometheus.yml')).toContain('2 rule files found');
  });

  withPrometheus('fire when they should, and rest again', async () => {
    expect(await promtool(RULES, 'test', 'rules', 'alerts.test.yml')).toContain('SUCCESS');
  });

  test('are each tested firing and resting', async () => {
    const cases = (await read('alerts.test.yml', ruleTests)).tests.flatMap((one) => one.alert_rule_test);
    const names = (fires: boolean): string[] =>
      cases
        .filter(({ exp_alerts }) => exp_alerts.length > 0 === fires)
        .map(({ alertname }) => alertname)
        .toSorted();
    const alerts = (await alertsOf()).map(({ alert }) => alert).toSorted();
    expect({ fire: names(true), rest: names(false) }).toEqual({ fire: alerts, rest: alerts });
  });

  test('have each a runbook', async () => {
    const page = await readFile(join(ROOT, 'docs/RUNBOOKS.md'), 'utf8');
    const headings = [...page.matchAll(/^## (\w+)$/gm)].map(([, name = '']) => name);
    const alerts = await alertsOf();
    expect(headings).toEqual(alerts.map(({ alert }) => alert));
    expect(alerts.map(({ annotations }) => annotations.runbook)).toEqual(
      headings.map((name) => `docs/RUNBOOKS.md#${name.toLowerCase()}`),
    );
  });
});

describe('The dashboards', () => {
  test.each(DASHBOARDS)('$title is the one that its panels make', async (dashboard) => {
    const file = join(ROOT, `deploy/grafana/dashboards/${dashboard.uid}.json`);
    const made = `${JSON.stringify(grafanaOf(dashboard), undefined, 2)}\n`;
    if (process.env['UPDATE_DOCS'] === '1') await writeFile(file, made);
    expect(await readFile(file, 'utf8')).toBe(made);
  });

  test('have panels of different names, and ids that differ', () => {
    for (const { rows } of DASHBOARDS) {
      const titles = rows.flatMap(({ panels }) => panels.map(({ title }) => title));
      expect(new Set(titles).size).toBe(titles.length);
    }
  });
});

describe('A Prometheus that reads a running system', () => {
  let system: System;
  let admins: AdminServer[];
  let prometheus: Prometheus | undefined;
  let proxy: FaultProxy;
  let client: Client;
  beforeAll(async () => {
    system = await startSystem();
    const edge = await system.addEdge();
    const cache = { prefillTokensPerSecond: 100_000, cacheTokens: 10_000 };
    const engine = new SimulatedEngine({ tokensPerSecond: 200, ttftMs: 20, source: 'ngram', ...cache });
    const worker = await system.addWorker(engine);
    const ready = () => ({ ready: true });
    const adminOf = ({ registry }: Pick<AdminServerOptions, 'registry'>) =>
      startAdminServer({ port: 0, registry, ready });
    admins = [await adminOf(edge.metrics), await adminOf(worker.metrics)];
    proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: edge.port } });
    ({ client } = recordedClient(`${proxy.url('ws')}/v1/ws`));
  });
  afterAll(async () => {
    await client.close();
    await proxy.close();
    await prometheus?.close();
    for (const admin of admins) await admin.close();
    await system.close();
  });

  /** A little of everything that figures are about: an answer, a cut and a resume, a cancel, a refusal. */
  const traffic = async (): Promise<void> => {
    const session = client.session('watched');
    const long = session.prompt({ input: 'go', params: { simulated: { tokens: 100 } } });
    await waitFor(() => long.position.seq > 10, { what: 'an answer to run' });
    proxy.cutAll();
    await long.end;
    const stopped = session.prompt({ input: 'go', params: { simulated: { tokens: 1_000 } } });
    await waitFor(() => stopped.position.seq > 0, { what: 'an answer to run' });
    await stopped.cancel();
    await fetch(`${proxy.url('http')}/v1/models`);
  };

  withPrometheus(
    'has a value for every query of every panel, and for every recording rule',
    async () => {
      const [edge, worker] = admins.map(({ port }) => `127.0.0.1:${port}`);
      const targets = new Map([
        ['sluice-edge', [edge ?? '']],
        ['sluice-worker', [worker ?? '']],
      ]);
      prometheus = await startPrometheus(targets);
      const { query } = prometheus;
      const panels = DASHBOARDS.flatMap(({ rows }) => rows.flatMap((row) => row.panels));
      const recorded = (await recordsOf()).map(({ expr }) => expr.replaceAll(/\[\d+m\]/g, '[10s]'));
      const wanted = new Set([
        ...panels.flatMap(({ queries }) =>
          queries.map(({ expr }) => expr.replaceAll('$__rate_interval', '10s')),
        ),
        // A ratio of failures has no value where nothing failed.
        ...recorded.filter((expr) => !expr.includes('error') && !expr.includes('5..')),
      ]);
      const answers = async (): Promise<readonly string[]> => {
        await traffic();
        for (const expr of wanted) {
          const samples = await query(expr);
          if (samples.some(({ value }) => Number.isFinite(value))) wanted.delete(expr);
        }
        return [...wanted];
      };
      await waitFor(async () => (await answers()).length === 0, {
        what: 'every query to have a value',
        timeoutMs: 45_000,
      }).catch(() => expect([...wanted]).toEqual([]));
    },
    60_000,
  );

  withPrometheus(
    'has every metric, with its labels, that an alert or a recording rule asks for',
    async () => {
      const exported = (
        await Promise.all(admins.map(({ url }) => fetch(`${url}/metrics`).then((r) => r.text())))
      )
        .join('\n')
        .matchAll(/^# TYPE (\w+) (\w+)$/gm);
      const names = new Set<string>(['up']);
      for (const [, name = '', type] of exported)
        for (const suffix of type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''])
          names.add(name + suffix);
      for (const { record } of await recordsOf()) names.add(record);
      const exprs = [...(await alertsOf()), ...(await recordsOf())].map(({ expr }) => expr);
      const asked = exprs.flatMap((expr) => expr.match(/\b(?:sluice|gen_ai|process|nodejs)[\w:]+/g) ?? []);
      expect(asked.length).toBeGreaterThan(exprs.length / 2);
      expect(asked.filter((name) => !names.has(name) && !name.startsWith('sluice-'))).toEqual([]);
    },
  );
});
