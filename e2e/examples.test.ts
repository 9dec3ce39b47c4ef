/** The files of `examples/`, run as they stand against a whole system. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startChild } from '@sluice/testkit';
import type { Child } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import { build, stop } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { browserTest, hasBrowser, openBrowser } from './support/browser.ts';
import { tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const ROOT = join(import.meta.dirname, '..');
const EXAMPLES = join(ROOT, 'examples');
const SDK = join(EXAMPLES, 'browser/sluice-client.js');

let system: System;
let env: Readonly<Record<string, string>>;
const children: Child[] = [];

beforeAll(async () => {
  system = await startSystem();
  const { url } = await system.addEdge();
  await system.addWorker(new SimulatedEngine({ tokensPerSecond: 100, ttftMs: 50, source: 'ngram' }));
  env = { SLUICE_URL: url, SLUICE_TOKEN: tokenFor('ann') };
});
afterEach(async () => {
  for (const child of children.splice(0)) await child.kill();
});
afterAll(() => system.close());

const run = async (command: string, ...args: string[]): Promise<Child> => {
  const child = await startChild(command, args, { cwd: ROOT, env });
  children.push(child);
  return child;
};

test('curl.sh prompts, streams, waits and stops', async () => {
  const child = await run('sh', 'examples/curl.sh');
  expect(await child.exited).toMatchObject({ code: 0 });
  const output = child.output();
  const items = output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { id?: string; status?: string; reason?: string; seq?: number });
  const of = (id: string): typeof items => items.filter((item) => item.id === id);
  expect(of('first').map(({ id }) => id)).toEqual(['first', 'first', 'first']);
  expect(of('first').at(-1)).toMatchObject({ status: 'done', seq: 40 });
  expect(output).toContain('event: delta');
  expect(output).toContain('event: end');
  const stopped = of('second').at(-1);
  expect(stopped).toMatchObject({ status: 'done', reason: 'cancelled' });
  expect(stopped?.seq).toBeLessThan(5_000);
}, 60_000);

test('node.mjs prints the answer as it comes', async () => {
  const child = await run(
    ...([process.execPath, '--import', 'tsx', '--conditions=sluice-source', 'examples/node.mjs'] as const),
    'hello',
  );
  expect(await child.exited).toMatchObject({ code: 0 });
  expect(child.output()).toMatch(/\[length after 60 tokens\]/);
}, 60_000);

describe('in a browser', () => {
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    await build({
      entryPoints: [join(ROOT, 'shared/client/src/index.ts')],
      outfile: SDK,
      bundle: true,
      format: 'esm',
      conditions: ['sluice-source'],
    });
    if (hasBrowser) browser = await openBrowser();
  }, 60_000);
  afterAll(async () => {
    await stop();
    await browser?.close();
    await rm(SDK, { force: true });
  });

  const open = async (folder: string): Promise<void> => {
    const child = await run(process.execPath, 'examples/serve.mjs', folder);
    page = await browser.newPage();
    await page.goto(await child.stdout.next(10_000));
  };
  const ends = (text: RegExp): Promise<void> =>
    page.locator('#state').filter({ hasText: text }).waitFor({ timeout: 30_000 });

  browserTest(
    'the page with an EventSource shows the answer',
    async () => {
      await open('eventsource');
      await page.click('#ask');
      await ends(/^ended: length$/);
      expect((await page.textContent('#out'))?.length).toBeGreaterThan(60);
    },
    60_000,
  );

  browserTest(
    'the page with the SDK shows the answer, and stops it',
    async () => {
      await open('browser');
      await page.click('#ask');
      await page
        .locator('#out')
        .filter({ hasText: /\w+ \w+ \w+/ })
        .waitFor({ timeout: 30_000 });
      await page.click('#stop');
      await ends(/^ended: cancelled after [1-3]?\d?\d tokens$/);
    },
    60_000,
  );
});
