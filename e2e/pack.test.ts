/** What others install: the tarballs of `make pack`, in empty folders outside the repository. */
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readyMessage, startChild } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { pack } from './support/packed.ts';
import type { Packed, UserFolder } from './support/packed.ts';

const require = createRequire(import.meta.url);
const NAMES = [
  'bus',
  'cli',
  'client',
  'core',
  'edge',
  'lifecycle',
  'protocol',
  'runtime',
  'simulator',
  'worker',
];
/** The SDK in a page, as in its own test of the bundle. */
const MAX_GZIPPED_BYTES = 12_600;

let packed: Packed;
/** has every package, and the types that TypeScript users of Node have */
let all: UserFolder;
/** has the SDK alone */
let page: UserFolder;

beforeAll(async () => {
  packed = await pack();
  all = await packed.folder('all');
  await all.install(NAMES, '@types/node@20.19.43', '@types/ws@8.18.2', '@types/jsonwebtoken@9.0.10');
  page = await packed.folder('page');
  await page.install(['client'], '--omit=optional');
}, 120_000);

afterAll(() => packed.close());

test('there is one tarball per package, each with a build, a README and the licence, and no sources', async () => {
  expect([...packed.tarballs.keys()].toSorted()).toEqual(NAMES);
  for (const name of NAMES) {
    const folder = join(all.path, 'node_modules/@sluice', name);
    const files = await readdir(folder, { recursive: true });
    expect(files).toEqual(
      expect.arrayContaining(['README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts']),
    );
    expect(files.filter((file) => /(?<!\.d)\.ts$|tsbuildinfo|^(src|test)\b/.test(file))).toEqual([]);
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as object;
    expect(JSON.stringify(manifest)).not.toContain('sluice-source');
    expect(manifest).toMatchObject({ license: 'Apache-2.0', engines: { node: '>=20.19' } });
    expect(manifest).not.toHaveProperty('private');
  }
});

test.each(NAMES)('%s has nothing that publint finds wrong', async (name) => {
  const pkgDir = join(all.path, 'node_modules/@sluice', name);
  const { messages, pkg } = await publint({ pkgDir, strict: true, pack: false });
  expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
});

test('Node imports each entry, and CommonJS gets the SDK by require', async () => {
  const entries = [...NAMES, 'protocol/schema', 'client/fallback', 'client/ai-sdk'];
  const imports = entries.map((name) => `await import('@sluice/${name}')`).join(', ');
  await all.write({
    'import.mjs': `console.log([${imports}].every((entry) => Object.keys(entry).length > 0));`,
    'require.cjs': `console.log(typeof require('@sluice/client').connect);`,
  });
  expect((await all.node('import.mjs')).stdout).toBe('true\n');
  expect((await all.node('--no-warnings', 'require.cjs')).stdout).toBe('function\n');
});

test('TypeScript accepts a program of a client and a worker, strictly and with every declaration checked', async () => {
  const compilerOptions = { strict: true, noEmit: true, target: 'es2023', types: ['node'] };
  const files = ['program.ts'];
  await all.write({
    'program.ts': `
      import { createNatsBus } from '@sluice/bus';
      import { connect, RequestError } from '@sluice/client';
      import type { Delta, Session } from '@sluice/client';
      import '@sluice/client/fallback';
      import { main } from '@sluice/cli';
      import type { Engine } from '@sluice/core';
      import { createEdge } from '@sluice/edge';
      import { isId } from '@sluice/protocol';
      import { createLogger } from '@sluice/runtime';
      import { SimulatedEngine } from '@sluice/simulator';
      import { createWorker, OpenAiEngine } from '@sluice/worker';

      const client = connect({ url: 'http://127.0.0.1:8080', token: async () => 'jwt' });
      const session: Session = client.session('chat');
      for await (const delta of session.prompt({ input: 'hi' })) {
        const { text, seq }: Delta = delta;
        process.stdout.write(\`\${seq} \${text}\`);
      }
      const engine: Engine = new SimulatedEngine({ models: ['m'], tokensPerSecond: 1, ttftMs: 1 });
      const bus = await createNatsBus({ url: 'nats://127.0.0.1:4222', name: 'w' });
      const logger = createLogger({ service: 'worker' });
      const worker = await createWorker({ name: 'w', slots: 1, models: ['m'] }, { bus, engine, logger });
      await worker.close();
      // @ts-expect-error: a window is a number
      connect({ url: 'http://127.0.0.1:8080', token: 'jwt', window: 'wide' });
      export { createEdge, isId, main, OpenAiEngine, RequestError };
    `,
    'nodenext.json': JSON.stringify({ compilerOptions: { ...compilerOptions, module: 'nodenext' }, files }),
    'bundler.json': JSON.stringify({
      compilerOptions: { ...compilerOptions, module: 'esnext', moduleResolution: 'bundler' },
      files,
    }),
  });
  const tsc = require.resolve('typescript/package.json').replace('package.json', 'bin/tsc');
  for (const config of ['nodenext.json', 'bundler.json'])
    expect((await all.node(tsc, '-p', config)).stdout).toBe('');
}, 30_000);

describe('a page', () => {
  /** What it loads at once; the fallback is a file of its own, as `lazy.js` is in a page without the SDK. */
  const PAGES = {
    sdk: `import { connect } from '@sluice/client';\nglobalThis.connect = connect;\n`,
    bare: `globalThis.connect = () => import('./lazy.js');\n`,
  };
  type Page = keyof typeof PAGES;

  const gzipped = async (folder: string, entry: RegExp): Promise<number> => {
    const [name = ''] = (await readdir(join(page.path, folder))).filter((file) => entry.test(file));
    return gzipSync(await readFile(join(page.path, folder, name))).length;
  };

  /** What the SDK adds to what a bundler puts into any page. */
  const added = async (bundle: (name: Page) => Promise<void>, entry: RegExp): Promise<number> => {
    for (const name of ['sdk', 'bare'] as const) await bundle(name);
    return (await gzipped('sdk/dist', entry)) - (await gzipped('bare/dist', entry));
  };

  beforeAll(async () => {
    for (const [name, main] of Object.entries(PAGES))
      await page.write({
        [`${name}/main.js`]: main,
        [`${name}/lazy.js`]: 'export const late = 1;\n',
        [`${name}/index.html`]: '<script type="module" src="/main.js"></script>\n',
      });
  });

  test('installs the SDK and nothing else', async () => {
    expect(await readdir(join(page.path, 'node_modules/@sluice'))).toEqual(['client']);
    const modules = await readdir(join(page.path, 'node_modules'));
    expect(modules.filter((name) => !name.startsWith('.'))).toEqual(['@sluice']);
  });

  test('of Vite has the SDK within its budget, and the fallback apart', async () => {
    const vite = join(require.resolve('vite/package.json'), '../bin/vite.js');
    const build = async (name: Page): Promise<void> => {
      await page.node(vite, 'build', name, '--assetsDir', '.', '--logLevel', 'warn');
    };
    expect(await added(build, /^index-.*\.js$/)).toBeLessThan(MAX_GZIPPED_BYTES);
    expect(await readdir(join(page.path, 'sdk/dist'))).toContainEqual(expect.stringMatching(/^fallback-/));
  });

  test('of webpack has the SDK within its budget, without a warning', async () => {
    await page.write({
      'webpack.cjs': `
        const webpack = require(${JSON.stringify(require.resolve('webpack'))});
        const context = __dirname + '/' + process.argv[2];
        const output = { path: context + '/dist', filename: 'main.js', chunkFilename: '[id].js', clean: true };
        webpack({ mode: 'production', context, entry: './main.js', output }, (error, stats) => {
          console.log(error ?? stats.toString({ all: false, errors: true, warnings: true }));
        });`,
    });
    const build = async (name: Page): Promise<void> => {
      expect((await page.node('webpack.cjs', name)).stdout.trim()).toBe('');
    };
    expect(await added(build, /^main\.js$/)).toBeLessThan(MAX_GZIPPED_BYTES);
  });

  test('a plain script has the SDK as the global Sluice', async () => {
    const script = join(page.path, 'node_modules/@sluice/client/dist/script.js');
    await page.write({
      'script.cjs': `
        const { runInNewContext } = require('node:vm');
        const source = require('node:fs').readFileSync(${JSON.stringify(script)}, 'utf8');
        console.log(runInNewContext(source + ';typeof Sluice.connect', { URL, setTimeout, clearTimeout }));`,
    });
    expect((await page.node('script.cjs')).stdout).toBe('function\n');
  });
});

describe('the command line in an empty folder', () => {
  let up: Child;
  let ready: { readonly url: string; readonly token: string };
  const sluice = (...args: readonly string[]) => all.node('node_modules/@sluice/cli/bin/sluice.js', ...args);

  beforeAll(async () => {
    const bin = join(all.path, 'node_modules/.bin/sluice');
    const ports = ['--port', '0', '--admin-port', '0', '--nats-port', '0'];
    const env = { NODE_OPTIONS: undefined, XDG_RUNTIME_DIR: all.path };
    up = await startChild(bin, ['up', ...ports], { cwd: all.path, env });
    ready = (await readyMessage(up, 25_000)) as typeof ready;
  }, 30_000);

  afterAll(async () => {
    await up.kill('SIGTERM');
  });

  test('starts everything, and doctor finds nothing wrong', async () => {
    const { stdout } = await sluice('doctor');
    expect(stdout).toContain('ok  sign-in');
    expect(stdout.split('\n').filter((line) => line !== '' && !line.startsWith('ok '))).toEqual([]);
  });

  test('serves the pages of the package', async () => {
    expect(existsSync(join(all.path, 'node_modules/@sluice/edge/web/index.html'))).toBe(true);
    expect(await (await fetch(ready.url)).text()).toContain('<title>Sluice');
  });

  test('a program with the SDK resumes an answer from where it was', async () => {
    await all.write({
      'resume.mjs': `
        import { connect } from '@sluice/client';
        const [url, token] = process.argv.slice(2);
        const first = connect({ url, token });
        const asked = first.session('packed').prompt({ input: 'What is a sluice?' });
        let seen = 0;
        for await (const { seq } of asked) if ((seen = seq) >= 5) break;
        await first.close();
        const second = connect({ url, token });
        const session = second.session('packed');
        await session.subscribe();
        const again = (await session.running())[0];
        for await (const { seq } of again) if (seq > seen) { console.log('resumed', seen, again.id === asked.id); break; }
        await second.close();`,
    });
    const { stdout } = await all.node('resume.mjs', ready.url, ready.token);
    expect(stdout).toMatch(/^resumed \d+ true\n$/);
  });
});
