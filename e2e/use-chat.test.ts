/** The example page with `useChat`, in a real browser against the real system. */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from '@jest/globals';
import type { Bus } from '@sluice/bus';
import { parseOrg, parseSessionId } from '@sluice/protocol';
import { waitFor } from '@sluice/testkit';
import { SimulatedEngine } from '@sluice/simulator';
import { build, stop } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { browserTest, hasBrowser, openBrowser } from './support/browser.ts';
import { ORG, tokenFor } from './support/clients.ts';
import { startSystem } from './support/system.ts';
import type { System } from './support/system.ts';

const EXAMPLE = fileURLToPath(new URL('../examples/use-chat/', import.meta.url));
const TIMEOUT = 60_000;

let system: System;
let bus: Bus;
let edgeUrl: string;
let pages: Server;
let browser: Browser;

/** The page and its script, as the example's README has them served. */
const servePages = async (): Promise<Server> => {
  const { outputFiles } = await build({
    entryPoints: [`${EXAMPLE}main.tsx`],
    ...{ bundle: true, write: false, format: 'esm', jsx: 'automatic', conditions: ['sluice-source'] },
  });
  const html = await readFile(`${EXAMPLE}index.html`);
  const server = createServer(({ url = '' }, response) => {
    const isScript = url.startsWith('/dist/main.js');
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? outputFiles[0]?.contents : html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
};

beforeAll(async () => {
  if (!hasBrowser && process.env['CI'] !== 'true') return;
  browser = await openBrowser();
  pages = await servePages();
  system = await startSystem();
  bus = await system.bus();
  ({ url: edgeUrl } = await system.addEdge());
  await system.addWorker(
    new SimulatedEngine({ tokensPerSecond: 60, ttftMs: 20, source: 'ngram', tokens: 10_000 }),
  );
}, TIMEOUT);
afterAll(async () => {
  await stop();
  await browser?.close();
  pages?.closeAllConnections();
  pages?.close();
  await system?.close();
}, TIMEOUT);

const open = async (chat: string): Promise<Page> => {
  const page = await browser.newPage();
  const { port } = pages.address() as AddressInfo;
  await page.goto(`http://127.0.0.1:${port}/#url=${edgeUrl}&token=${tokenFor('ann')}&chat=${chat}`);
  await page.getByRole('textbox').waitFor();
  return page;
};

const answerIn = async (page: Page): Promise<string> =>
  (await page.locator('[data-role=assistant]').allTextContents()).join('|');

const grown = (page: Page, beyond: number): Promise<unknown> =>
  waitFor(async () => (await answerIn(page)).length > beyond, {
    what: 'a longer answer',
    timeoutMs: TIMEOUT,
  });

// compat(use-chat): chat stream, resume, abort
browserTest(
  'the example shows one growing answer in two tabs and after a reload, and stops the engine',
  async () => {
    const page = await open('trip');
    await page.getByRole('textbox').fill('Tell me a long story.');
    await page.getByRole('button', { name: 'Send' }).click();
    await grown(page, 0);
    const second = await open('trip');
    await grown(second, (await answerIn(page)).length);
    const before = (await answerIn(second)).length;
    await page.reload();
    await grown(page, before);
    expect(await page.locator('li').allTextContents()).toHaveLength(2);
    await second.getByRole('button', { name: 'Stop' }).click();
    for (const each of [page, second]) await each.getByRole('button', { name: 'Send' }).waitFor();
    const { items } = await bus.sessions.items({ org: parseOrg(ORG), session: parseSessionId('trip') }, 0);
    expect(items).toMatchObject([{ item: { kind: 'generation', reason: 'cancelled' } }]);
    const [{ item } = {}] = items;
    const text = item?.kind === 'generation' ? item.text : undefined;
    expect([await answerIn(page), await answerIn(second)]).toEqual([text, text]);
  },
  TIMEOUT,
);
