/**
 * Keeps the pages in step with the code. Tables between `<!-- generated: name -->` and `<!-- end -->` are made
 * from it: `UPDATE_DOCS=1 make test ONLY=e2e/docs` writes them anew. The rest is compared.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { PARAMETERS } from '@sluice/core';
import type { ParameterRule } from '@sluice/core';
import { edgeConfigSchema } from '@sluice/edge';
import { describeConfig } from '@sluice/runtime';
import type { ConfigRow, ConfigSchema } from '@sluice/runtime';
import { CLIENT_ABSENCES, ENGINE_ABSENCES } from './compatibility/absences.ts';
import { allMarks } from './compatibility/marks.ts';
import { cellsOf, matrixTable, reasonsTable, testsTable, wordsTable } from './compatibility/matrix.ts';
import { CLIENTS, ENGINES } from './compatibility/words.ts';

const ROOT = join(import.meta.dirname, '..');
const PAGES = [
  'README.md',
  'docs/ARCHITECTURE.md',
  'docs/OPERATIONS.md',
  'docs/GUARANTEES.md',
  'docs/WORKERS.md',
  'docs/COMPATIBILITY.md',
  'docs/PROTOCOL.md',
  'SECURITY.md',
] as const;
type Page = (typeof PAGES)[number];

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

// What a service keeps to itself is loaded by path: its index is for programs, not for its manual.
const load = async <Module>(path: string): Promise<Module> => (await import(join(ROOT, path))) as Module;

type Metric = {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames?: readonly string[];
};
type ServiceMetrics = {
  readonly registry: {
    getMetricsAsJSON(): Promise<Metric[]>;
    getSingleMetric(name: string): Metric | undefined;
  };
  close(): void;
};
type CreateMetrics = (
  tally: object,
  load: Readonly<Record<string, () => number | ReadonlyMap<string, number>>>,
) => ServiceMetrics;
type Tally = new () => object;

const { workerConfigSchema } = await load<{ workerConfigSchema: ConfigSchema }>(
  'services/worker/src/config.ts',
);
const { EdgeTally } = await load<{ EdgeTally: Tally }>('services/edge/src/tally/edge-tally.ts');
const { simulatedSettings } = await load<{ simulatedSettings: ConfigSchema }>(
  'services/cli/src/demo-worker/config.ts',
);
const { createEdgeMetrics } = await load<{ createEdgeMetrics: CreateMetrics }>(
  'services/edge/src/tally/metrics.ts',
);
const { WorkerTally } = await load<{ WorkerTally: Tally }>('services/worker/src/tally/worker-tally.ts');
const { createWorkerMetrics } = await load<{ createWorkerMetrics: CreateMetrics }>(
  'services/worker/src/tally/metrics.ts',
);

// --- generated tables -------------------------------------------------------------------------------------

type Row = readonly string[];

const code = (text: string): string => (text === '' ? '' : `\`${text}\``);
const escaped = (text: string): string => text.replaceAll('|', String.raw`\|`);

/** As prettier lays it out, so that a page with a new table needs no formatting. */
const tableOf = ([head, ...rows]: readonly [Row, ...Row[]]): string => {
  const cells = [head, ...rows].map((row) => row.map(escaped));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => (row[column] ?? '').length)));
  const line = (row: Row): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [first, ...others] = cells;
  return [line(first ?? []), line(widths.map((width) => '-'.repeat(width))), ...others.map(line)].join('\n');
};

const defaultOf = ({ default: value, secret }: ConfigRow): string =>
  value === '' ? (secret ? '(secret)' : '') : code(value);

const configTable = (schema: ConfigSchema): string =>
  tableOf([
    ['variable', 'default', 'accepts', 'meaning'],
    ...describeConfig(schema).map((row) => [code(row.env), defaultOf(row), row.values, row.about]),
  ]);

/** All programs in one table; what edge and worker both read is listed once. */
const allSettings = (): string => {
  const edge = describeConfig(edgeConfigSchema);
  const worker = describeConfig(workerConfigSchema);
  const reads = (rows: readonly ConfigRow[], { env }: ConfigRow): boolean =>
    rows.some((row) => row.env === env);
  const shared = edge.filter((row) => reads(worker, row));
  const rowsOf = (rows: readonly ConfigRow[], of: string): Row[] =>
    rows.map((row) => [code(row.env), of, defaultOf(row), row.about]);
  return tableOf([
    ['variable', 'read by', 'default', 'meaning'],
    ...rowsOf(shared, 'both'),
    ...rowsOf(
      edge.filter((row) => !reads(shared, row)),
      'edge',
    ),
    ...rowsOf(
      worker.filter((row) => !reads(shared, row)),
      'worker',
    ),
    ...rowsOf(describeConfig(simulatedSettings), 'demo'),
  ]);
};

const metricsTable = async (createMetrics: CreateMetrics, tally: object): Promise<string> => {
  const zero = (): number => 0;
  const none = (): ReadonlyMap<string, number> => new Map();
  const maps = { fullness: none, waitingJobs: none };
  const load = { sessions: zero, viewers: zero, strangers: zero, ...maps, slots: zero, running: zero };
  const metrics = createMetrics(tally, load);
  try {
    const all = await metrics.registry.getMetricsAsJSON();
    const ours = all.filter(({ name }) => !/^(process|nodejs)_/.test(name));
    return tableOf([
      ['metric', 'type', 'labels', 'meaning'],
      ...ours.map(({ name, type, help }): Row => {
        const { labelNames = [] } = metrics.registry.getSingleMetric(name) ?? {};
        return [code(name), type, labelNames.map(code).join(', '), help];
      }),
    ]);
  } finally {
    metrics.close();
  }
};

type Generated = readonly [Page, string, () => string | Promise<string>];

const compatibilityTables = (): Generated[] => {
  const marks = allMarks();
  const tables = [
    ['clients', CLIENTS, CLIENT_ABSENCES],
    ['engines', ENGINES, ENGINE_ABSENCES],
  ] as const;
  const page = 'docs/COMPATIBILITY.md';
  return [
    ...tables.flatMap(([name, words, absences]): Generated[] => [
      [page, name, () => tableOf(wordsTable([name, 'what'], words.columns))],
      [page, `features of ${name}`, () => tableOf(wordsTable(['feature', 'what is shown'], words.rows))],
      [page, `${name} and features`, () => tableOf(matrixTable(words, cellsOf(words, marks, absences)))],
      [page, `absences of ${name}`, () => tableOf(reasonsTable(absences))],
    ]),
    [page, 'tests', () => tableOf(testsTable(marks))],
  ];
};

const parametersTable = (): string => {
  const said = (rule: ParameterRule): string => {
    if (rule.type === 'passed') return 'passed to the engine';
    if (rule.type === 'ignored') return `ignored: ${rule.why}`;
    const values = rule.values.map((value) => `\`${JSON.stringify(value)}\``).join(' or ');
    return `refused${values === '' ? '' : ` but for ${values}`}: ${rule.why}`;
  };
  const rows = Object.entries(PARAMETERS).map(([name, rule]): Row => [`\`${name}\``, said(rule)]);
  return tableOf([['parameter', 'what becomes of it'], ...rows]);
};

const GENERATED: readonly Generated[] = [
  ['README.md', 'settings', allSettings],
  ['docs/OPERATIONS.md', 'edge settings', () => configTable(edgeConfigSchema)],
  ['docs/OPERATIONS.md', 'worker settings', () => configTable(workerConfigSchema)],
  ['docs/OPERATIONS.md', 'demo settings', () => configTable(simulatedSettings)],
  ['docs/OPERATIONS.md', 'edge metrics', () => metricsTable(createEdgeMetrics, new EdgeTally())],
  ['docs/OPERATIONS.md', 'worker metrics', () => metricsTable(createWorkerMetrics, new WorkerTally())],
  ['docs/PROTOCOL.md', 'parameters', parametersTable],
  ...compatibilityTables(),
];

const HOW_TO_UPDATE = 'write it anew with: UPDATE_DOCS=1 make test ONLY=e2e/docs';

test.each(GENERATED)('%s: the table of %s is what the code says', async (page, name, make) => {
  const text = read(page);
  const start = `<!-- generated: ${name} -->`;
  const [before, rest] = text.split(start);
  const end = rest?.indexOf('<!-- end -->') ?? -1;
  if (rest === undefined || end === -1) throw new Error(`${page}: expected "${start}" and "<!-- end -->"`);
  const table = `\n\n${await make()}\n\n`;
  if (rest.slice(0, end) === table) return;
  if (process.env['UPDATE_DOCS'] === undefined)
    throw new Error(`${page}: the table of ${name} is out of date; ${HOW_TO_UPDATE}`);
  writeFileSync(join(ROOT, page), `${before}${start}${table}${rest.slice(end)}`);
});

// --- compared ---------------------------------------------------------------------------------------------

/** The part of a page below a heading, up to the next heading of any level. */
const section = (page: Page, heading: string): string => {
  const [, part] = read(page).split(`\n${heading}\n`);
  if (part === undefined) throw new Error(`${page}: expected the heading "${heading}"`);
  return part.split(/^#/m)[0] ?? '';
};

/** Body rows of the tables in a text, cell by cell. */
const rowsIn = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line, at, lines) => line.startsWith('| ') && !(lines[at + 1] ?? '').startsWith('| -'))
    .filter((line) => !line.startsWith('| -'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );

const filesIn = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => `${folder}/${path}`);

test('docs/OPERATIONS.md lists exactly the events that services log', () => {
  const logged = ['services/edge/src', 'services/worker/src', 'shared/runtime/src']
    .flatMap(filesIn)
    .flatMap((path) => [
      ...read(path).matchAll(/logger\.(?:debug|info|warn|error)\(\s*'([a-z_]+)'/g),
      ...read(path).matchAll(/#logger\.(?:debug|info|warn|error)\(\s*'([a-z_]+)'/g),
    ])
    .map(([, event]) => event);
  const listed = rowsIn(section('docs/OPERATIONS.md', '## Log events')).map(([event]) =>
    event?.replaceAll('`', ''),
  );
  expect(listed.toSorted()).toEqual([...new Set(logged)].toSorted());
});

test('docs/ARCHITECTURE.md names every dependency, with its version and its reason', () => {
  const kinds = ['dependencies', 'devDependencies', 'optionalDependencies'] as const;
  type Manifest = Readonly<Partial<Record<(typeof kinds)[number], Readonly<Record<string, string>>>>>;
  const folders = ['shared', 'services'].flatMap((parent) =>
    readdirSync(join(ROOT, parent)).map((name) => `${parent}/${name}/`),
  );
  const wanted = new Map<string, string>();
  for (const folder of ['', ...folders]) {
    const manifest = JSON.parse(read(`${folder}package.json`)) as Manifest;
    for (const [name, version] of kinds.flatMap((kind) => Object.entries(manifest[kind] ?? {})))
      if (!name.startsWith('@sluice/')) wanted.set(name, version.replace(/^npm:.*@/, ''));
  }
  const rows = rowsIn(section('docs/ARCHITECTURE.md', '## Dependencies'));
  const listed = rows.map(([name = '', version]) => [name.replaceAll('`', ''), version] as const);
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(wanted));
  expect(rows.filter(([, , , why]) => (why ?? '') === '')).toEqual([]);
});

test('SECURITY.md has a control and a test for each threat', () => {
  const threats = rowsIn(read('SECURITY.md')).filter(({ length }) => length === 4);
  expect(threats.length).toBeGreaterThan(20);
  const isShown = ([threat, control, file, name]: readonly string[]): boolean =>
    threat !== '' &&
    control !== '' &&
    /^`[\w./-]+\.test\.ts`$/.test(file ?? '') &&
    /^“[^”]+”$/.test(name ?? '');
  expect(threats.filter((row) => !isShown(row))).toEqual([]);
});

describe.each(PAGES)('%s', (page) => {
  test('names only files that exist', () => {
    const inText = [...read(page).matchAll(/`((?:services|shared|deploy|docs|e2e)\/[\w./-]+)`/g)];
    const links = [...read(page).matchAll(/\]\(((?!https?:|#)[^)#]+)(?:#[^)]*)?\)/g)].map(([, path = '']) =>
      join(page, '..', path),
    );
    const named = [...inText.map(([, path = '']) => path), ...links];
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  test('names only settings that exist', () => {
    const known = new Set(
      [edgeConfigSchema, workerConfigSchema, simulatedSettings].flatMap((schema) =>
        Object.values(schema as ConfigSchema).flatMap(({ env, fromFile }) =>
          fromFile ? [env, `${env}_FILE`] : [env],
        ),
      ),
    );
    // Of the command line and of scripts.
    for (const name of ['SLUICE_URL', 'SLUICE_TOKEN', 'SLUICE_NATS_SERVER']) known.add(name);
    const named = read(page).match(/\bSLUICE_[A-Z0-9_]+\b/g) ?? [];
    expect([...new Set(named)].filter((name) => !known.has(name))).toEqual([]);
  });

  test('quotes tests by their name, from the file it names', () => {
    const quoted = rowsIn(read(page)).flatMap((row) => {
      const line = row.join(' | ');
      const [, file] = /`((?:e2e|services|shared)\/[\w./-]+\.test\.ts)`/.exec(line) ?? [];
      return file === undefined
        ? []
        : [...line.matchAll(/“([^”]+)”/g)].map(([, name = '']) => ({ file, name }));
    });
    const missing = quoted.filter(({ file, name }) => !read(file).replaceAll("\\'", "'").includes(name));
    expect(missing).toEqual([]);
  });
});
