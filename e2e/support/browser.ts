import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from '@jest/globals';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';

/** The built web pages. */
export const WEB_DIST = fileURLToPath(new URL('../../services/web/dist', import.meta.url));

const CHROMIUM = [
  process.env['SLUICE_CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
].find((path) => path !== '' && existsSync(path));

const isCi = process.env['CI'] === 'true';

export const hasBrowser = CHROMIUM !== undefined;

// A quiet skip in CI would look like a pass.
if (!hasBrowser && !isCi)
  console.warn(
    'SKIPPED: no Chromium found. Install one, or name it in SLUICE_CHROMIUM, to test the web pages.',
  );

/** A test that is skipped where there is no browser; in CI it fails there. */
export const browserTest = hasBrowser || isCi ? test : test.skip;

/** @throws Error without a browser, or without pages to show */
export const openBrowser = async (): Promise<Browser> => {
  if (CHROMIUM === undefined) throw new Error('CI needs a Chromium for the web pages; see .ci/run');
  if (!existsSync(`${WEB_DIST}/index.html`)) throw new Error('the web pages are not built: run `make web`');
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update'],
    ],
  });
};

/** What axe finds that keeps people out. */
export const seriousViolations = async (page: Page): Promise<readonly string[]> => {
  // As an expression and not as a script element: the page's policy allows no inline script.
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { axe: tool } = window as unknown as { axe: typeof axe };
    const { violations } = await tool.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  });
};
