import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

/**
 * Proves that .oxlintrc.json and import-fences.mjs refuse what they are meant to refuse: every case below becomes
 * a file in a temporary copy of our folder layout, one run of oxlint judges them all.
 */
const repository = join(import.meta.dirname, '..');

type Violations = ReadonlyMap<string, readonly string[]>;

/** [folder or file, module it must not import] */
const forbidden: ReadonlyArray<readonly [string, string]> = [
  // protocol <- core <- {bus, client} <- services
  ['shared/protocol/src', '@sluice/core'],
  ['shared/protocol/src', '@sluice/runtime'],
  ['shared/protocol/src', 'node:fs'],
  ['shared/core/src', '@sluice/bus'],
  ['shared/core/src', '@sluice/client'],
  ['shared/core/src', '@sluice/runtime'],
  ['shared/core/src', 'node:timers'],
  ['shared/bus/src', '@sluice/client'],
  ['shared/bus/src', '@sluice/runtime'],
  ['shared/bus/src', '@sluice/edge'],
  ['shared/lifecycle/src', '@sluice/runtime'],
  ['shared/lifecycle/src', '@sluice/edge'],
  ['shared/lifecycle/src', 'nats'],
  ['shared/client/src', '@sluice/bus'],
  ['shared/client/src', '@sluice/runtime'],
  ['shared/client/src', 'node:crypto'],
  ['shared/client/src', 'zod'],
  ['shared/runtime/src', '@sluice/protocol'],
  ['shared/runtime/src', '@sluice/core'],
  ['shared/testkit/src', '@sluice/bus'],
  ['shared/testkit/src', '@sluice/client'],
  ['shared/testkit/src', '@sluice/edge'],
  ['shared/simulator/src', '@sluice/runtime'],
  ['shared/simulator/src', '@sluice/worker'],
  ['shared/simulator/src', 'nats'],
  ['shared/core/test', '@sluice/edge'],

  // no service imports another, nor the testkit
  ['services/edge/src', '@sluice/worker'],
  ['services/edge/src/transports', '@sluice/worker'],
  ['services/worker/src', '@sluice/edge'],
  ['services/cli/src', '@sluice/edge'],
  ['services/cli/bin', '@sluice/worker'],
  ['services/cli/src', '@sluice/worker'],
  ['services/cli/src/demo-worker', '@sluice/edge'],

  // what is simulated stays in the demo and in tests
  ['services/worker/src', '@sluice/simulator'],
  ['services/edge/src', '@sluice/simulator'],
  ['services/cli/src', '@sluice/simulator'],
  ['services/loadgen/src', '@sluice/worker'],
  ['services/web/src', '@sluice/edge'],
  ['services/web/src', '@sluice/bus'],
  ['services/web/src', '@sluice/client/node'],
  ['services/edge/src', '@sluice/testkit'],
  ['services/cli/src', '@sluice/testkit'],
  ['services/edge/test', '@sluice/worker'],

  // in the client: session -> {connection -> link, generation}, and the entries above them all
  ['shared/client/src/link', '../connection/outbox.ts'],
  ['shared/client/src/link', '../session/session.ts'],
  ['shared/client/src/link', '../generation/track.ts'],
  ['shared/client/src/link', '@sluice/bus'],
  ['shared/client/src/link', '../client.ts'],
  ['shared/client/src/connection', '../session/session.ts'],
  ['shared/client/src/connection', '../generation/track.ts'],
  ['shared/client/src/connection', '../connect.ts'],
  ['shared/client/src/connection', 'ws'],
  ['shared/client/src/generation', '../link/transport.ts'],
  ['shared/client/src/generation', '../connection/requests.ts'],
  ['shared/client/src/generation', '../session/session-view.ts'],
  ['shared/client/src/generation', '../browser-platform.ts'],
  ['shared/client/src/generation', 'node:timers'],
  ['shared/client/src/session', '../link/transport.ts'],
  ['shared/client/src/session', '../index.ts'],
  ['shared/client/src/session', '@sluice/runtime'],

  // nats only in bus, testkit and tests
  ['shared/core/src', 'nats'],
  ['shared/client/src', '@nats-io/kv'],
  ['shared/client/src/node-platform.ts', 'nats'],
  ['shared/runtime/src', '@nats-io/jetstream'],
  ['services/edge/src', 'nats'],
  ['services/edge/src/transports', '@nats-io/jetstream'],
  ['services/edge/src/tally/metrics.ts', 'nats'],
  ['services/worker/src', '@nats-io/jetstream'],
  ['services/loadgen/src', 'nats'],
  ['services/cli/src', '@nats-io/transport-node'],

  // ws only in the edge's transports, the client's node-platform.ts, loadgen, testkit and tests
  ['shared/core/src', 'ws'],
  ['shared/bus/src', 'ws'],
  ['shared/runtime/src', 'ws'],
  ['shared/client/src', 'ws'],
  ['shared/client/src/link', 'ws'],
  ['services/edge/src', 'ws'],
  ['services/worker/src/engines', 'ws'],
  ['services/cli/src', 'ws'],

  // prom-client only in runtime
  ['shared/bus/src', 'prom-client'],
  ['shared/client/src/node-platform.ts', 'prom-client'],
  ['services/edge/src', 'prom-client'],
  ['services/edge/src/transports', 'prom-client'],
  ['services/worker/src/engines', 'prom-client'],
  ['services/loadgen/src', 'prom-client'],

  // bare entry points only
  ['services/edge/src', '@sluice/core/src/reader.ts'],
  ['services/edge/src', '@sluice/protocol/src/ids.ts'],
  ['services/edge/src', '@sluice/protocol/dist/index.js'],
  ['services/edge/src', '@sluice/core/reader'],
  ['services/edge/src', '../../worker/src/index.ts'],
  ['services/edge/src/transports', '../../../../shared/core/src/index.ts'],
  ['shared/core/src', '../../protocol/src/ids.ts'],
  ['shared/core/test', '@sluice/protocol/src/ids.ts'],
  ['shared/core/test', '../../bus/src/index.ts'],
  ['e2e', '@sluice/edge/src/feed.ts'],
  ['e2e', '../services/edge/src/feeds/feed.ts'],

  // rooms of the edge: no arrow points up, none goes to a room beside, none to what composes them
  ['services/edge/src/feeds', '../connections/connection.ts'],
  ['services/edge/src/feeds', '../requests/admission.ts'],
  ['services/edge/src/requests', '../connections/edge-context.ts'],
  ['services/edge/src/requests', '../feeds/hub.ts'],
  ['services/edge/src/connections', '../transports/sockets/websocket.ts'],
  ['services/edge/src/transports', '../ai-sdk/chat-connection.ts'],
  ['services/edge/src/transports', '../socket-dialects.ts'],
  ['services/edge/src/http', '../api/generations.ts'],
  ['services/edge/src/openai', '../api/generations.ts'],
  ['services/edge/src/tally', '../feeds/hub.ts'],
  ['services/edge/src/auth', '../tally/metrics.ts'],
  ['services/edge/src/basement', '../auth/grant.ts'],
  // and of the worker
  ['services/worker/src/runs', '../jobs/slots.ts'],
  ['services/worker/src/peers', '../runs/claim.ts'],
  ['services/worker/src/tally', '../peers/liveness.ts'],
];

const allowed: ReadonlyArray<readonly [string, string]> = [
  ['shared/protocol/src', 'zod'],
  ['shared/core/src', '@sluice/protocol'],
  ['shared/core/src', './reader.ts'],
  ['shared/bus/src', '@sluice/core'],
  ['shared/bus/src', '@sluice/protocol/schema'],
  ['shared/bus/src/nats', 'nats'],
  ['shared/bus/src', '@nats-io/jetstream'],
  ['shared/client/src', '@sluice/core'],
  ['shared/client/src', './session/session.ts'],
  ['shared/client/src/link', '../clock.ts'],
  ['shared/client/src/connection', '../link/transport.ts'],
  ['shared/client/src/generation', '../errors.ts'],
  ['shared/client/src/session', '../connection/requests.ts'],
  ['shared/client/src/session', '../generation/track.ts'],
  ['shared/client/src/node-platform.ts', 'ws'],
  ['shared/client/src/node-platform.ts', 'node:crypto'],
  ['shared/runtime/src', 'prom-client'],
  ['shared/runtime/src', 'node:http'],
  ['shared/testkit/src', '@sluice/runtime'],
  ['shared/simulator/src', '@sluice/core'],
  ['shared/simulator/src', 'node:http'],
  ['shared/testkit/src', 'ws'],
  ['shared/testkit/src', 'jsonwebtoken'],
  ['shared/testkit/src', '@nats-io/jetstream'],
  ['shared/bus/test', '@sluice/testkit'],
  ['shared/bus/test', '../src/subjects.ts'],
  ['shared/bus/test/nats', '../../src/subjects.ts'],
  ['services/edge/test', 'ws'],
  ['services/worker/test', '@sluice/simulator'],
  ['shared/lifecycle/src', '@sluice/bus'],
  ['services/edge/src', '@sluice/bus'],
  ['services/edge/src', '@sluice/lifecycle'],
  ['services/edge/src', '@sluice/runtime'],
  ['services/edge/src/transports', 'ws'],
  ['services/edge/src/transports', '../connections/peer.ts'],
  ['services/edge/src/api', '../http/answers.ts'],
  ['services/edge/src/feeds', './viewer.ts'],
  ['services/edge/src', './transports/sockets/websocket.ts'],
  ['services/loadgen/src', 'ws'],
  ['services/loadgen/src', '@sluice/testkit'],
  // the systems that Sluice is compared with
  ['services/loadgen/src/peers', 'nats'],
  ['services/cli/src', '@sluice/client'],
  ['services/cli/src/demo-worker', '@sluice/worker'],
  ['services/cli/src/demo-worker', '@sluice/simulator'],
  ['services/web/src', '@sluice/client'],
  ['e2e', '@sluice/edge'],
  ['e2e', 'nats'],
];

/** Rules of style that are ours by choice: [rule, file, offending text]. */
const refusedText: ReadonlyArray<readonly [string, string, string]> = [
  ['eslint(no-restricted-globals)', 'shared/core/src/clock.ts', 'export const now = () => Date.now();'],
  [
    'eslint(no-restricted-globals)',
    'shared/core/src/timer.ts',
    'export const later = () => setTimeout(() => 1, 1);',
  ],
  ['import(no-default-export)', 'services/edge/src/default.ts', 'export default 1;'],
  ['oxc(no-barrel-file)', 'shared/bus/src/star.ts', "export * from './leaf.ts';"],
  ['oxc(no-barrel-file)', 'shared/bus/src/named-star.ts', "export * as leaf from './leaf.ts';"],
  [
    'import(no-cycle)',
    'shared/bus/src/ring.ts',
    "import { b } from './ring-b.ts';\nexport const a = () => b;",
  ],
  [
    'import(no-cycle)',
    'shared/bus/src/type-ring.ts',
    "import type { B } from './type-ring-b.ts';\nexport type A = B | 1;",
  ],
  [
    'eslint(no-empty)',
    'services/edge/src/silent.ts',
    'export const f = (g: () => void) => { try { g(); } catch {} };',
  ],
  ['typescript(no-explicit-any)', 'services/edge/src/any.ts', 'export const f = (x: any) => x;'],
  [
    'eslint(max-params)',
    'services/edge/src/five.ts',
    'export const f = (...[a]: number[]) => a;\nexport const g = (a: 1, b: 1, c: 1, d: 1, e: 1) => [a, b, c, d, e];',
  ],
  ['eslint(max-lines)', 'services/edge/src/long.ts', `${'\n'.repeat(401)}export const a = 1;`],
  [
    'eslint(max-lines-per-function)',
    'services/edge/src/tall.ts',
    `export const f = () => [\n${'  1,\n'.repeat(61)}];`,
  ],
];

const supporting = {
  'shared/bus/src/leaf.ts': 'export const leaf = 1;',
  'shared/bus/src/type-ring-b.ts': "import type { A } from './type-ring.ts';\nexport type B = A[];",
  'shared/bus/src/ring-b.ts': "import { a } from './ring.ts';\nexport const b = () => a;",
};

const imports = (module: string): string =>
  `import { thing } from '${module}';\nexport const use = () => thing;\n`;

let root: string;
let bad: Violations;
let good: Violations;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-fences-'));
  const rules = refusedText.map(([, path, text]) => [path, text] as const);
  const cases = [...forbidden.map(fileOf), ...rules, ...Object.entries(supporting)];
  bad = await lint(join(root, 'bad'), cases);
  good = await lint(join(root, 'good'), allowed.map(fileOf));
}, 60_000);

afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

/** A case about a folder gets a file of its own there, numbered; a case about a file is that file. */
function fileOf([place, module]: readonly [string, string], index: number): readonly [string, string] {
  return [place.endsWith('.ts') ? numbered(place, index) : `${place}/case-${index}.ts`, imports(module)];
}

/** Names matter (metrics.ts, node*.ts), so the number goes into the folder or behind the name. */
function numbered(place: string, index: number): string {
  if (place.endsWith('/metrics.ts')) return `${dirname(place)}/case-${index}/metrics.ts`;
  return place.replace(/\.ts$/, `-${index}.ts`);
}

async function lint(folder: string, files: ReadonlyArray<readonly [string, string]>): Promise<Violations> {
  for (const [path, text] of files) {
    await mkdir(join(folder, dirname(path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  for (const name of ['.oxlintrc.json', 'import-fences.mjs'])
    await copyFile(join(repository, name), join(folder, name));
  const oxlint = join(repository, 'node_modules/oxlint/bin/oxlint');
  const output = await new Promise<string>((resolve, reject) => {
    const options = { cwd: folder, maxBuffer: 1 << 26 };
    execFile(process.execPath, [oxlint, '--format=json'], options, (error, stdout, stderr) => {
      if (error !== null && error.code !== 1) reject(new Error(`oxlint failed: ${stdout}${stderr}`));
      else resolve(stdout);
    });
  });
  const report = JSON.parse(output) as {
    number_of_files: number;
    diagnostics: ReadonlyArray<{ code: string; filename: string }>;
  };
  // and the fences themselves
  expect(report.number_of_files).toBe(files.length + 1);
  const found = new Map<string, string[]>();
  for (const { code, filename } of report.diagnostics) {
    found.set(filename, [...(found.get(filename) ?? []), code]);
  }
  return found;
}

describe('an import across a fence is refused', () => {
  test.each(forbidden.map(([place, module], index) => ({ place, module, index })))(
    '$place must not import $module',
    ({ place, module, index }) => {
      const [path] = fileOf([place, module], index);
      expect(bad.get(path)).toContain('fences(one-way)');
    },
  );
});

describe('an import along the arrows is accepted', () => {
  test.each(allowed.map(([place, module], index) => ({ place, module, index })))(
    '$place may import $module',
    ({ place, module, index }) => {
      const [path] = fileOf([place, module], index);
      expect(good.get(path)).toBeUndefined();
    },
  );
});

describe('our own rules of style hold', () => {
  test.each(refusedText.map(([rule, path]) => ({ rule, path })))('$rule refuses $path', ({ rule, path }) => {
    expect(bad.get(path)).toContain(rule);
  });
});

test('every package of the repository has a fence case', async () => {
  const folders = ['shared', 'services'];
  const listed = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(join(repository, folder))).map((name) => `${folder}/${name}/`),
    ),
  );
  const uncovered = listed.flat().filter((name) => !forbidden.some(([place]) => place.startsWith(name)));
  expect(uncovered).toEqual([]);
});

test('no folder holds more than 21 source files', async () => {
  const counts = new Map<string, number>();
  for (const top of ['shared', 'services']) {
    for (const name of await readdir(join(repository, top))) {
      const source = join(repository, top, name, 'src');
      for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
        const folder = relative(repository, entry.parentPath);
        if (/\.tsx?$/.test(entry.name)) counts.set(folder, (counts.get(folder) ?? 0) + 1);
      }
    }
  }
  expect(counts.size).toBeGreaterThan(20);
  expect([...counts].filter(([, files]) => files > 21)).toEqual([]);
});
