/**
 * What `deploy` and `k8s` ship, checked by the programs that will read it, and by the schemas of those that cannot run
 * here. `make deploy-check` runs this, after it has fetched what is missing. `UPDATE_CHART=1` writes the Helm chart anew.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { edgeConfigSchema } from '@sluice/edge';
import { describeConfig } from '@sluice/runtime';
import type { ConfigSchema } from '@sluice/runtime';
import { natsServerBinary } from '@sluice/testkit';
import { DockerfileParser } from 'dockerfile-ast';
import { validate } from 'dockerfile-utils';
import { z } from 'zod';
import { chartOf } from '../k8s/make-chart.ts';
import { hasOpenssl, openAuthority } from './support/certificates.ts';
import { containersOf, podsOf, violations } from './support/deploy/policy.ts';
import { customValidator, kubernetesValidator } from './support/deploy/schemas.ts';
import {
  bringTools,
  CHART,
  hasPrograms,
  hasSchemas,
  isCi,
  kustomized,
  linted,
  nameOf,
  ROOT,
  schemaFiles,
  templated,
} from './support/deploy/tools.ts';
import type { Manifest } from './support/deploy/tools.ts';

await bringTools();

/** In CI a check that can be had and is not there is a fault; a quiet skip would look like a pass. */
const where = (isThere: boolean, reason: string, canBeHad: boolean): typeof test => {
  if (isThere || (isCi && canBeHad)) return test;
  console.warn(`skipped: ${reason}`);
  return test.skip as typeof test;
};
const hasGo = spawnSync('go', ['version']).status === 0;
const isX64 = process.platform === 'linux' && process.arch === 'x64';
const withPrograms = where(
  hasPrograms(),
  'kubectl and helm are missing: `make deploy-check` fetches them',
  isX64,
);
const withSchemas = where(
  hasPrograms() && (await hasSchemas()),
  'the schemas of Kubernetes are missing: `make deploy-check` fetches them where Go is',
  hasGo && isX64,
);

describe('Dockerfile', () => {
  const path = join(ROOT, 'deploy/image/Dockerfile');
  const read = async () => DockerfileParser.parse(await readFile(path, 'utf8'));

  test('has no fault that its linter knows', async () => {
    expect(validate(await readFile(path, 'utf8'))).toEqual([]);
  });

  test('runs as nobody, from images of a version, and fetches nothing by itself', async () => {
    const file = await read();
    const [user] = file.getInstructions().filter((each) => each.getKeyword() === 'USER');
    expect(user?.getArgumentsContent()).toBe('65534:65534');
    const images = file.getFROMs().map((from) => from.getImage() ?? '');
    expect(images.filter((image) => image !== 'scratch' && !/:\d+\.\d+\.\d+-[\w-]+$/.test(image))).toEqual(
      [],
    );
    expect(file.getInstructions().filter((each) => each.getKeyword() === 'ADD')).toEqual([]);
    expect(file.getHEALTHCHECKs()).toHaveLength(1);
  });

  test('brings the manifest of each package, without which npm installs another tree', async () => {
    const text = await readFile(path, 'utf8');
    const folders = await Promise.all(
      ['shared', 'services'].map(async (parent) =>
        (await readdir(join(ROOT, parent))).map((name) => `${parent}/${name}`),
      ),
    );
    const packages = folders.flat().filter((folder) => existsSync(join(ROOT, folder, 'package.json')));
    expect(packages.length).toBeGreaterThan(10);
    expect(packages.filter((folder) => !text.includes(`COPY ${folder}/package.json ${folder}/`))).toEqual([]);
  });
});

describe('NATS', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-nats-conf-'));
    for (const name of await readdir(join(ROOT, 'deploy/nats')))
      if (name.endsWith('.conf'))
        await writeFile(join(folder, name), await readFile(join(ROOT, 'deploy/nats', name), 'utf8'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const env = {
    ...{ NATS_NAME: 'nats-1', NATS_ADDRESS: '127.0.0.1', NATS_STORE: '/data' },
    ...{ NATS_EDGE_PASSWORD: '"1"', NATS_WORKER_PASSWORD: '"2"', NATS_ADMIN_PASSWORD: '"3"' },
    ...{ NATS_CLUSTER_PASSWORD: '"4"', NATS_ROUTES: '["nats://route:4@127.0.0.1:6222"]' },
  };
  const taken = async (name: string): Promise<string> => {
    const { stderr, stdout } = spawnSync(await natsServerBinary(), ['-t', '-c', join(folder, name)], {
      env,
      encoding: 'utf8',
    });
    return stderr + stdout;
  };

  test.each(['single.conf', 'single-users.conf', 'cluster.conf'])(
    '%s is taken by the server',
    async (name) => {
      expect(await taken(name)).toContain('is valid');
    },
  );

  where(
    hasOpenssl,
    'no openssl to make certificates',
    true,
  )('so is cluster-tls.conf', async () => {
    const authority = await openAuthority();
    const { certificate, key } = await authority.issue('nats', 'DNS:sluice-nats');
    await writeFile(
      join(folder, 'tls-files.conf'),
      `cert_file: "${certificate}"\nkey_file: "${key}"\nca_file: "${authority.ca}"\n`,
    );
    expect(await taken('cluster-tls.conf')).toContain('is valid');
    await authority.close();
  });

  test('cluster-tls.conf differs from cluster.conf by TLS alone', async () => {
    const linesOf = async (name: string): Promise<string[]> =>
      (await readFile(join(folder, name), 'utf8'))
        .replaceAll(/tls \{[^}]*\}/g, '')
        .split('\n')
        .map((line) => line.replace(/#.*/, '').trim())
        .filter((line) => line !== '');
    expect(await linesOf('cluster-tls.conf')).toEqual(await linesOf('cluster.conf'));
  });
});

describe('Kubernetes', () => {
  const OVERLAYS = ['dev', 'prod', 'everything'] as const;
  const built = new Map<string, readonly Manifest[]>();
  const manifests = (overlay: (typeof OVERLAYS)[number]): readonly Manifest[] => built.get(overlay) ?? [];
  beforeAll(async () => {
    if (hasPrograms()) for (const overlay of OVERLAYS) built.set(overlay, await kustomized(overlay));
  }, 60_000);
  const shippedByHelm = (all: readonly Manifest[]): readonly Manifest[] =>
    all.filter(({ kind }) => kind !== 'Namespace');

  withPrograms(
    'the chart is what kustomize builds, with the alternatives switched off',
    async () => {
      const files = chartOf(manifests('everything'));
      if (process.env['UPDATE_CHART'] === '1') {
        await rm(CHART, { recursive: true, force: true });
        for (const [name, text] of files) {
          await mkdir(dirname(join(CHART, name)), { recursive: true });
          await writeFile(join(CHART, name), text);
        }
      }
      const onDisk = (await readdir(CHART, { recursive: true })).filter((name) => name.endsWith('.yaml'));
      const kept = await Promise.all(
        onDisk.map(async (name) => [name, await readFile(join(CHART, name), 'utf8')] as const),
      );
      expect(new Map(kept)).toEqual(files);
      expect(await templated()).toEqual(shippedByHelm(manifests('prod')));
      const alternatives = ['gateway', 'podMonitors'].map((name) => `${name}.enabled=true`);
      expect(await templated(...alternatives)).toEqual(shippedByHelm(manifests('everything')));
      expect(await linted()).toContain('0 chart(s) failed');
    },
    60_000,
  );

  withPrograms(
    'a value of the chart is where it belongs, and a switch leaves its documents out',
    async () => {
      const off = ['ingress', 'keda', 'networkPolicies', 'certManager', 'vllm'].map(
        (name) => `${name}.enabled=false`,
      );
      const changed = await templated('image=example.com/sluice:9.9.9', 'edge.minReplicas=7', ...off);
      const images = podsOf(changed).flatMap(({ pod }) => containersOf(pod).map(({ image }) => image));
      expect(new Set(images)).toEqual(new Set(['example.com/sluice:9.9.9', 'nats:2.15.1-alpine']));
      expect(changed.find(({ kind }) => kind === 'HorizontalPodAutoscaler')).toMatchObject({
        spec: { minReplicas: 7 },
      });
      const left = new Set(changed.map(({ kind }) => kind));
      for (const kind of ['Ingress', 'ScaledObject', 'NetworkPolicy', 'Certificate', 'Issuer', 'HTTPRoute'])
        expect([kind, left.has(kind)]).toEqual([kind, false]);
    },
    60_000,
  );

  withSchemas(
    'three versions of Kubernetes, and the definitions of custom resources, take all of it',
    async () => {
      const files = await schemaFiles();
      const named = (prefix: string): unknown[] =>
        [...files].filter(([name]) => name.startsWith(prefix)).map(([, document]) => document);
      const versions = named('kubernetes-').map(kubernetesValidator);
      expect(versions).toHaveLength(3);
      const custom = customValidator(named('crd-'));
      for (const manifest of [...manifests('dev'), ...manifests('everything')])
        for (const validator of versions) {
          const faults = validator(manifest) ??
            custom(manifest) ?? [`${nameOf(manifest)}: nobody knows this kind`];
          expect(faults).toEqual([]);
        }
      // What would be no test if it took everything.
      const [edge] = manifests('prod').filter((each) => nameOf(each) === 'Deployment sluice-edge');
      if (edge === undefined) throw new Error('expected a deployment of edges');
      const misspelt = { ...edge, spec: { ...(edge['spec'] as object), replica: 2 } };
      for (const validator of versions) expect(validator(misspelt)).not.toEqual([]);
    },
    120_000,
  );

  withPrograms('nothing may do more than it needs', () => {
    for (const overlay of OVERLAYS) expect(violations(manifests(overlay))).toEqual([]);
  });

  withPrograms.each([
    ['runAsUser: 65534', (text: string) => text.replace('"runAsUser":65534', '"runAsUser":0')],
    ['read-only root', (text: string) => text.replace('"readOnlyRootFilesystem":true', '"x":1')],
    ['limits', (text: string) => text.replace('"limits"', '"limit"')],
    ['a version', (text: string) => text.replace('sluice:0.1.0', 'sluice:latest')],
    ['a token', (text: string) => text.replace('"automountServiceAccountToken":false', '"x":1')],
    ['dropped capabilities', (text: string) => text.replace('"ALL"', '"NET_RAW"')],
    ['references', (text: string) => text.replaceAll('"name":"EDGE_PASSWORD"', '"name":"OTHER"')],
  ])('a manifest without %s is found out', (_, change) => {
    const changed = JSON.parse(change(JSON.stringify(manifests('prod')))) as Manifest[];
    expect(violations(changed)).toHaveLength(1);
  });

  withPrograms('a policy is about each pod, and nobody else gets in or out', () => {
    const policies = manifests('prod').filter(({ kind }) => kind === 'NetworkPolicy');
    const denied = policies.find(({ metadata }) => metadata.name === 'sluice-default-deny');
    expect(denied?.['spec']).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    const selector = z.looseObject({
      spec: z.looseObject({
        podSelector: z.looseObject({ matchLabels: z.looseObject({ app: z.string() }).optional() }),
      }),
    });
    const apps = new Set(policies.map((each) => selector.parse(each).spec.podSelector.matchLabels?.app));
    for (const { owner, labels } of podsOf(manifests('prod')))
      expect([owner, apps.has(labels['app'] ?? '')]).toEqual([owner, true]);
  });

  withPrograms('settings are ones that the service reads', async () => {
    const { workerConfigSchema } = (await import(join(ROOT, 'services/worker/src/config.ts'))) as {
      workerConfigSchema: ConfigSchema;
    };
    const namesOf = (schema: ConfigSchema): string[] =>
      describeConfig(schema).flatMap(({ env, secret }) => (secret ? [env, `${env}_FILE`] : [env]));
    const known: Readonly<Record<string, ReadonlySet<string>>> = {
      edge: new Set(namesOf(edgeConfigSchema)),
      worker: new Set(namesOf(workerConfigSchema)),
    };
    const unknown = podsOf([...manifests('dev'), ...manifests('prod')]).flatMap(({ owner, pod }) =>
      containersOf(pod).flatMap(({ name, env }) =>
        env
          .map((each) => each.name)
          .filter((each) => each.startsWith('SLUICE_') && !(known[name] ?? known['worker'])?.has(each))
          .map((each) => `${owner}: ${each}`),
      ),
    );
    expect(unknown).toEqual([]);
  });

  withPrograms(
    'monitors find each pod that the alerts are about, under the jobs that they select',
    async () => {
      const monitor = z.looseObject({
        spec: z.looseObject({
          selector: z.object({ matchLabels: z.object({ app: z.string() }) }),
          podMetricsEndpoints: z.tuple([
            z.looseObject({
              port: z.string(),
              relabelings: z.tuple([z.object({ targetLabel: z.literal('job'), replacement: z.string() })]),
            }),
          ]),
        }),
      });
      const monitors = manifests('everything')
        .filter(({ kind }) => kind === 'PodMonitor')
        .map((each) => monitor.parse(each).spec);
      const jobs = monitors.map(({ podMetricsEndpoints: [{ relabelings }] }) => relabelings[0].replacement);
      const rules = await readFile(join(ROOT, 'deploy/prometheus/alerts.yml'), 'utf8');
      const asked = [...rules.matchAll(/job="([\w-]+)"/g)].map(([, job]) => job);
      expect(jobs.toSorted()).toEqual([...new Set(asked)].toSorted());
      for (const { selector, podMetricsEndpoints } of monitors) {
        const found = podsOf(manifests('everything')).filter(
          ({ labels }) => labels['app'] === selector.matchLabels.app,
        );
        expect(found.length).toBeGreaterThan(0);
        for (const { pod } of found) {
          const ports = containersOf(pod).flatMap(({ ports: all }) => all.map(({ name }) => name));
          expect(ports).toContain(podMetricsEndpoints[0].port);
        }
      }
    },
  );

  withPrograms('autoscalers ask for metrics that edges and workers export', async () => {
    const exported = await exportedMetrics();
    const scaling = manifests('everything').filter(({ kind }) =>
      /ScaledObject|HorizontalPodAutoscaler/.test(kind),
    );
    const queries = [...JSON.stringify(scaling).matchAll(/\\?"?(sluice_\w+)(?:\{([^}]*)\})?/g)];
    expect(queries.map(([, name]) => name).toSorted()).toEqual([
      'sluice_edge_connections',
      'sluice_jobs_waiting',
      'sluice_worker_running_generations',
    ]);
    for (const [, name = '', matchers = ''] of queries) {
      const labels = [...matchers.matchAll(/(\w+)(?:=|=~|!=)\\?"/g)].map(([, label = '']) => label);
      // Prometheus adds where a figure comes from.
      const own = labels.filter((label) => !['pod', 'namespace', 'job', 'instance'].includes(label));
      expect([name, exported.get(name)]).toEqual([name, expect.arrayContaining(own)]);
    }
  });
});

type MetricsOf = (
  tally: object,
  load: Readonly<Record<string, () => unknown>>,
) => {
  readonly registry: {
    getMetricsAsArray(): readonly { readonly name: string; readonly labelNames?: readonly string[] }[];
  };
  close(): void;
};

/** The labels of each metric, by its name. */
const exportedMetrics = async (): Promise<ReadonlyMap<string, readonly string[]>> => {
  const load = async <Module>(path: string): Promise<Module> => (await import(join(ROOT, path))) as Module;
  const services = [
    [
      (await load<{ createEdgeMetrics: MetricsOf }>('services/edge/src/tally/metrics.ts')).createEdgeMetrics,
      (await load<{ EdgeTally: new () => object }>('services/edge/src/tally/edge-tally.ts')).EdgeTally,
    ],
    [
      (await load<{ createWorkerMetrics: MetricsOf }>('services/worker/src/tally/metrics.ts'))
        .createWorkerMetrics,
      (await load<{ WorkerTally: new () => object }>('services/worker/src/tally/worker-tally.ts'))
        .WorkerTally,
    ],
  ] as const;
  const found = new Map<string, readonly string[]>();
  for (const [create, Tally] of services) {
    // Metrics are read when they are scraped, which nobody does here.
    const metrics = create(new Tally(), {});
    for (const { name, labelNames = [] } of metrics.registry.getMetricsAsArray()) found.set(name, labelNames);
    metrics.close();
  }
  return found;
};
