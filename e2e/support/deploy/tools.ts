import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';

export const ROOT = join(import.meta.dirname, '../../..');
const FOLDER = join(ROOT, '.cache/deploy-check');
const [KUBECTL, HELM, SCHEMAS] = [
  join(FOLDER, 'bin/kubectl'),
  join(FOLDER, 'bin/helm'),
  join(FOLDER, 'schemas'),
];
export const isCi = process.env['CI'] === 'true';

const run = async (command: string, args: readonly string[]): Promise<string> => {
  const { stdout } = await promisify(execFile)(command, args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
};

/** Fetches what is missing where that may take a while: in CI, and for `make deploy-check`. */
export const bringTools = async (): Promise<void> => {
  if (!isCi && process.env['DEPLOY_CHECK'] !== 'fetch') return;
  try {
    await run(join(ROOT, 'deploy/check/tools.sh'), []);
  } catch (error) {
    if (isCi) throw error;
    // Without a network what needs them is skipped, and says so.
    console.warn('deploy/check/tools.sh failed:', error);
  }
};

export const hasPrograms = (): boolean => existsSync(KUBECTL) && existsSync(HELM);
export const hasSchemas = async (): Promise<boolean> =>
  existsSync(SCHEMAS) &&
  (await readdir(SCHEMAS)).filter((name) => name.startsWith('kubernetes-')).length >= 3;

const manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
});
export type Manifest = z.infer<typeof manifest>;

/** Documents of one text, in an order of their own. */
export const manifestsIn = (text: string): Manifest[] =>
  text
    .split(/^---$/m)
    .flatMap((each): Manifest[] => {
      const document: unknown = parse(each);
      return document === null || document === undefined ? [] : [manifest.parse(document)];
    })
    .toSorted((a, b) => nameOf(a).localeCompare(nameOf(b)));

export const nameOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name}`;

export const kustomized = async (overlay: string): Promise<Manifest[]> =>
  manifestsIn(await run(KUBECTL, ['kustomize', join(ROOT, 'k8s/overlays', overlay)]));

export const CHART = join(ROOT, 'k8s/chart');
/** @param values as in `gateway.enabled=true` */
export const templated = async (...values: readonly string[]): Promise<Manifest[]> =>
  manifestsIn(
    await run(HELM, [
      'template',
      'sluice',
      CHART,
      '-n',
      'sluice',
      ...values.flatMap((each) => ['--set', each]),
    ]),
  );
export const linted = (): Promise<string> => run(HELM, ['lint', '--strict', CHART]);

/** What is there to check with: each file's name and what it says. */
export const schemaFiles = async (): Promise<ReadonlyMap<string, unknown>> => {
  const names = await readdir(SCHEMAS);
  const texts = await Promise.all(names.map((name) => readFile(join(SCHEMAS, name), 'utf8')));
  return new Map(
    names.map((name, at) => [
      name,
      name.startsWith('kubernetes-') ? JSON.parse(texts[at] ?? '') : parse(texts[at] ?? ''),
    ]),
  );
};
