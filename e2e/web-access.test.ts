import { expect } from '@jest/globals';
import type { Page } from 'playwright-core';
import { mintToken } from '@sluice/testkit';
import { browserTest, seriousViolations } from './support/browser.ts';
import { adminTokenFor, ORG, tokenFor } from './support/clients.ts';
import { SECRET } from './support/system.ts';
import { ask, untilDone } from './support/web-answers.ts';
import { useWebSystem } from './support/web-system.ts';

/** Who gets into the web pages: whoever has a token, and keeps one; nobody's eyes or hands keep them out. */

const web = useWebSystem();

/** How light the page's ground is, 0 to 255. */
const lightness = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const { backgroundColor } = getComputedStyle(document.body);
    return Number(/\d+/.exec(backgroundColor)?.[0]);
  });

browserTest(
  'a token that is refused leads back to the form, which says so and takes another',
  async () => {
    const context = await web().newContext();
    const page = await context.newPage();
    await page.goto(`${web().url}/#token=not.a.token`);
    await page.getByText(/did not accept this token/).waitFor();
    expect(page.url()).not.toContain('token');
    await page.getByLabel('Access token').fill(tokenFor('ann'));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Live', { exact: true }).waitFor();
  },
  30_000,
);

browserTest(
  'a token that ends is renewed in place: the tab stays live and keeps its place',
  async () => {
    const context = await web().newContext();
    const page = await context.newPage();
    // The server announces the end a minute ahead.
    const ending = mintToken({ org: ORG, user: 'ann', secret: SECRET, ttlS: 62 });
    await page.goto(`${web().url}/#token=${ending}&session=renewed`);
    await page.getByLabel('Your message').fill('half a question');
    await page.getByLabel(/Your access ends soon/).fill(`${web().url}/#token=${tokenFor('ann')}`);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByLabel(/Your access ends soon/).waitFor({ state: 'detached' });
    expect(await page.locator('.status-chip').getAttribute('data-status')).toBe('live');
    expect(await page.getByLabel('Your message').inputValue()).toBe('half a question');
    await page.reload();
    await page.getByText('Live', { exact: true }).waitFor();
    expect(await page.getByLabel(/Your access ends soon/).count()).toBe(0);
  },
  30_000,
);

browserTest(
  'a token that has ended is said so, and another one brings the tab back',
  async () => {
    const page = await (await web().newContext()).newPage();
    const ending = mintToken({ org: ORG, user: 'ann', secret: SECRET, ttlS: 4 });
    await page.goto(`${web().url}/#token=${ending}&session=ended`);
    await page.getByText('Access ended: waiting for a new token').waitFor();
    expect(await page.getByText(/ends soon|Reconnecting/).count()).toBe(0);
    await page.getByLabel(/Your access has ended/).fill(tokenFor('ann'));
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByText('Live', { exact: true }).waitFor();
    expect(await page.locator('.token-notice').count()).toBe(0);
  },
  60_000,
);

browserTest(
  'a link with a token signs in anew in the tab that it is opened in',
  async () => {
    const page = await web().open('ann', 'handed-over');
    expect(await page.locator('.account-name').first().textContent()).toBe('ann');
    await page.evaluate((token) => {
      location.hash = `#token=${token}&session=handed-over`;
    }, tokenFor('bob'));
    await page.locator('.account-name', { hasText: 'bob' }).first().waitFor();
    expect(page.url()).not.toContain('token');
  },
  30_000,
);

browserTest(
  'the button for colours decides them on every view, whatever the system prefers',
  async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await web().open('ann', 'colours', { colorScheme });
      const button = page.getByRole('button', { name: /^Colours/ });
      for (const view of ['session=colours', 'view=operations']) {
        await page.goto(`${web().url}/#token=${adminTokenFor('ann')}&${view}`);
        await page.getByText('Live', { exact: true }).waitFor();
        await button.and(page.getByLabel('Colours: system. Change')).click();
        expect(await lightness(page)).toBeGreaterThan(200);
        await button.and(page.getByLabel('Colours: light. Change')).click();
        expect(await lightness(page)).toBeLessThan(60);
        await button.and(page.getByLabel('Colours: dark. Change')).click();
      }
      await button.click();
      if (colorScheme === 'light') await button.click();
      // The choice outlives the visit, also on the form that has no button.
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Access token').waitFor();
      const isLight = (await lightness(page)) > 200;
      expect(isLight).toBe(colorScheme === 'dark');
    }
  },
  30_000,
);

browserTest(
  'axe finds no serious violation, in both colours, on desktop and phone',
  async () => {
    const anonymous = await web().newContext();
    const form = await anonymous.newPage();
    await form.goto(web().url);
    await form.getByLabel('Access token').waitFor();
    expect(await seriousViolations(form)).toEqual([]);
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await web().open('ann', `axe-${colorScheme}`, { colorScheme });
      expect(await seriousViolations(page)).toEqual([]);
      await page.getByRole('button', { name: 'Prove it' }).click();
      const generation = await ask(page, 'Compare WebSocket, SSE and long polling in a table');
      await untilDone(page, generation);
      await page.getByRole('button', { name: 'Cut the connection' }).click();
      expect(await seriousViolations(page)).toEqual([]);
      await page.setViewportSize({ width: 390, height: 844 });
      await page.getByRole('button', { name: 'Sessions' }).click();
      expect(await seriousViolations(page)).toEqual([]);
    }
  },
  60_000,
);
