/** What is installed here and by others is named exactly, and what is published says where it comes from. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '..');
const names = z.record(z.string(), z.string());
const Manifest = z.object({
  version: z.string(),
  dependencies: names.default({}),
  devDependencies: names.default({}),
  optionalDependencies: names.default({}),
});
const Workflow = z.object({
  permissions: names,
  jobs: z.record(
    z.string(),
    z.object({
      permissions: names.optional(),
      steps: z.array(z.object({ uses: z.string().optional(), run: z.string().optional() })),
    }),
  ),
});

const workspaces = ['shared', 'services'].flatMap((parent) =>
  readdirSync(join(ROOT, parent)).map((name) => `${parent}/${name}`),
);
const manifestIn = (folder: string): z.infer<typeof Manifest> =>
  Manifest.parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
const wantedIn = (folder: string): [string, string][] => {
  const { dependencies, devDependencies, optionalDependencies } = manifestIn(folder);
  return [dependencies, devDependencies, optionalDependencies].flatMap((kind) => Object.entries(kind));
};

test.each(['.', ...workspaces])('%s asks for exact versions', (folder) => {
  const exact = /^(npm:(@[\w-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+$/;
  expect(wantedIn(join(ROOT, folder)).filter(([, version]) => !exact.test(version))).toEqual([]);
});

test('the lock file has a checksum of every package', () => {
  const lock = z
    .object({
      packages: z.record(
        z.string(),
        z.object({ integrity: z.string().optional(), link: z.boolean().optional() }),
      ),
    })
    .parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')));
  const installed = Object.entries(lock.packages).filter(
    ([path, { link }]) => path.includes('node_modules/') && link !== true,
  );
  expect(installed.length).toBeGreaterThan(300);
  expect(installed.filter(([, { integrity }]) => integrity?.startsWith('sha512-') !== true)).toEqual([]);
});

test('one command gives all packages another version, and each asks for that of the others', () => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-version-'));
  try {
    for (const folder of workspaces) {
      mkdirSync(join(root, folder), { recursive: true });
      cpSync(join(ROOT, folder, 'package.json'), join(root, folder, 'package.json'));
    }
    writeFileSync(join(root, 'package.json'), '{ "version": "7.8.9" }');
    const known = 'shared/runtime/src/version.ts';
    cpSync(join(ROOT, known), join(root, known));
    const script = join(ROOT, 'deploy/npm/set-version.ts');
    execFileSync(process.execPath, ['--import', import.meta.resolve('tsx'), script], { cwd: root });
    const versions = workspaces.flatMap((folder) => {
      const path = join(root, folder);
      const ours = wantedIn(path).filter(([name]) => name.startsWith('@sluice/'));
      return [manifestIn(path).version, ...ours.map(([, version]) => version)];
    });
    expect(versions.length).toBeGreaterThan(40);
    expect(new Set(versions)).toEqual(new Set(['7.8.9']));
    for (const other of ['shared/client/package.json', known]) {
      const text = (folder: string): string => readFileSync(join(folder, other), 'utf8');
      expect(text(root)).toContain('7.8.9');
      expect(text(root).replaceAll('7.8.9', manifestIn(ROOT).version)).toBe(text(ROOT));
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test('workflows use actions by their commit, and have no right that their jobs do not name', () => {
  const folder = join(ROOT, '.github/workflows');
  for (const file of readdirSync(folder)) {
    const { permissions, jobs } = Workflow.parse(parse(readFileSync(join(folder, file), 'utf8')));
    expect(permissions).toEqual({});
    const steps = Object.values(jobs).flatMap((job) => job.steps);
    const uses = steps.flatMap((step) => step.uses ?? []);
    expect(uses.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/.test(action))).toEqual([]);
  }
});

test('a release is tested, has a bill of materials, and is published with provenance', () => {
  const text = readFileSync(join(ROOT, '.github/workflows/release.yml'), 'utf8');
  const { packages } = Workflow.parse(parse(text)).jobs;
  expect(packages?.permissions).toEqual({ contents: 'write', 'id-token': 'write' });
  const commands = (packages?.steps ?? []).flatMap(({ run }) => run ?? []);
  const at = (command: string): number => commands.findIndex((run) => run.includes(command));
  const order = ['--verify-pins', 'make pack', 'e2e/pack', 'sbom.ts', 'publish.ts'].map(at);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(order).not.toContain(-1);
  expect(readFileSync(join(ROOT, 'deploy/npm/publish.ts'), 'utf8')).toContain(`'--provenance'`);
});
