import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { readdir, readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { mintToken, waitFor } from '@sluice/testkit';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { browserTest, hasBrowser, openBrowser, seriousViolations, WEB_DIST } from './support/browser.ts';
import { recordedClient } from './support/clients.ts';
import { openCommandLine } from './support/cli.ts';
import type { CommandLine, UpReady } from './support/cli.ts';
import { SECRET } from './support/system.ts';

/** The operations dashboard in a real browser, on what `sluice up` runs. */

const ADMIN = 'read prompt cancel signal admin';
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

let commands: CommandLine;
let system: UpReady;
let browser: Browser;
const contexts: BrowserContext[] = [];
const clients: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  if (!hasBrowser && process.env['CI'] !== 'true') return;
  browser = await openBrowser();
  commands = await openCommandLine();
  const env = { SLUICE_SIMULATED_TTFT_MS: '200', SLUICE_SIMULATED_TOKENS_PER_SECOND: '100' };
  const secretFile = await commands.write('secret', SECRET);
  ({ ready: system } = await commands.up(['--workers', '2', '--jwt-secret-file', secretFile], env));
}, 60_000);

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const context of contexts.splice(0)) await context.close();
});

afterAll(async () => {
  await browser?.close();
  await commands?.close();
}, 30_000);

const tokenOf = (user: string, org: string, scope?: string): string =>
  mintToken({ user, org, secret: SECRET, ...(scope === undefined ? {} : { scope }) });

const openPage = async (token: string, place: string, options: BrowserContextOptions = {}): Promise<Page> => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  contexts.push(context);
  const page = await context.newPage();
  await page.goto(`${system.url}/#token=${token}&${place}`);
  await page.getByText('Live', { exact: true }).waitFor();
  return page;
};

const openOperations = async (token = system.token, options?: BrowserContextOptions): Promise<Page> => {
  const page = await openPage(token, 'view=operations', options);
  await page.locator('.tiles').waitFor();
  return page;
};

/** The SDK's client of somebody in an org. */
const clientOf = (org: string, user = 'ann') => {
  const { client } = recordedClient(system.url, user, { token: tokenOf(user, org) });
  clients.push(client);
  return client;
};

const tile = (page: Page, name: string) =>
  page.locator('.tile', { has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) });

const figure = async (page: Page, name: string): Promise<number> =>
  Number((await tile(page, name).locator('.tile-value').innerText()).replace(/[^0-9.]/g, ''));

const until = (what: string, holds: () => Promise<boolean>): Promise<boolean> =>
  waitFor(holds, { what, timeoutMs: 20_000, pollMs: 100 });

const runRow = (page: Page, generation: string) => page.locator(`.run[data-generation="${generation}"]`);

const phasesOf = async (page: Page, generation: string): Promise<string[]> => {
  const row = runRow(page, generation);
  if (!(await row.locator('.moments').isVisible())) await row.locator('summary').click();
  return row
    .locator('.moments li')
    .evaluateAll((items) => items.map((item) => (item as HTMLElement).dataset['phase'] ?? ''));
};

browserTest(
  'figures move while an answer streams; a stopped one shows the tokens it saved and its phases',
  async () => {
    const page = await openOperations();
    await until('both workers and the edge', async () => (await page.locator('tbody tr').count()) === 3);
    const client = clientOf('demo');
    const params = { simulated: { tokens: 5_000 } };
    const generation = client.session('figures').prompt({ input: 'go', params });
    await until('tokens per second', async () => (await figure(page, 'Tokens/s')) > 20);
    await until('a slot that is taken', async () => (await figure(page, 'Slots taken')) === 1);
    await until('the first token', async () => (await figure(page, 'First token')) > 0);
    await until('deliveries', async () => (await figure(page, 'Delivery p50')) > 0);
    expect(await tile(page, 'Delivery p50').locator('.tile-note').innerText()).toMatch(/p95 .*, p99 /);
    expect(await figure(page, 'Connections')).toBe(2);
    expect(await page.locator('.chart-legend b').first().innerText()).toMatch(/^\d/);
    expect(await page.locator('.plot canvas').count()).toBe(6);
    await runRow(page, generation.id).and(page.locator('[data-standing="streaming"]')).waitFor();

    await generation.cancel();
    const { seq } = await generation.end;
    const row = runRow(page, generation.id).and(page.locator('[data-standing="cancelled"]'));
    await row.waitFor();
    const savedOf = /([\d,]+) saved/.exec(await row.innerText());
    expect(Number(savedOf?.[1]?.replaceAll(',', ''))).toBe(5_000 - seq);
    expect(await phasesOf(page, generation.id)).toEqual(['queued', 'claimed', 'first_token', 'ended']);
    await until('the saved tokens', async () => (await figure(page, 'Tokens saved')) >= 5_000 - seq);
    expect(await tile(page, 'Tokens saved').locator('.tile-note').innerText()).toMatch(
      /≈ \$0\.0\d+, stop [\d,]+/,
    );
    await page.locator('.count-list', { hasText: 'How generations ended' }).getByText('cancelled').waitFor();
  },
  60_000,
);

browserTest(
  'a generation that nobody acks is shown paused, then parked; who comes late sees it at once',
  async () => {
    const early = await openOperations();
    const client = clientOf('demo');
    const generation = client.session('unread').prompt({
      ...{ input: 'go', ack: 'consumed' as const, lead: 'strict' as const },
      params: { simulated: { tokens: 500 } },
    });
    await runRow(early, generation.id).and(early.locator('[data-standing="parked"]')).waitFor();
    const late = await openOperations();
    await runRow(late, generation.id).and(late.locator('[data-standing="parked"]')).waitFor();
    for (const page of [early, late]) {
      expect(await phasesOf(page, generation.id)).toEqual([
        'queued',
        'claimed',
        'first_token',
        'paused',
        'parked',
      ]);
      await until('one that is parked', async () =>
        /\/ [1-9]/.test(await tile(page, 'Paused / parked').locator('.tile-value').innerText()),
      );
    }
    for await (const { text } of generation) expect(text).not.toBe('');
    await runRow(late, generation.id).and(late.locator('[data-standing="stop"]')).waitFor();
    expect(await phasesOf(late, generation.id)).toEqual(
      expect.arrayContaining(['parked', 'claimed', 'ended']),
    );
    expect(await runRow(late, generation.id).innerText()).toContain('2 attempts');
  },
  60_000,
);

browserTest(
  'an admin of another org sees that org only; who is no admin sees no dashboard',
  async () => {
    const mine = clientOf('globex')
      .session('globex-room')
      .prompt({ input: 'hi', params: { simulated: { tokens: 20 } } });
    const other = clientOf('demo')
      .session('demo-room')
      .prompt({ input: 'hi', params: { simulated: { tokens: 30 } } });
    await Promise.all([mine.end, other.end]);
    const page = await openOperations(tokenOf('gil', 'globex', ADMIN));
    await runRow(page, mine.id).waitFor();
    await until('the connections of globex', async () => (await figure(page, 'Connections')) === 2);
    expect(await runRow(page, other.id).count()).toBe(0);
    expect(await page.locator('.operations').innerText()).not.toMatch(/demo|Slots taken|of 128/);
    expect(await page.getByRole('button', { name: 'All orgs' }).count()).toBe(0);

    const operator = await openOperations();
    await runRow(operator, mine.id).waitFor();
    await runRow(operator, other.id).waitFor();
    await operator.getByRole('button', { name: 'demo', exact: true }).click();
    await runRow(operator, other.id).waitFor();
    expect(await runRow(operator, mine.id).count()).toBe(0);

    const reader = await openPage(tokenOf('ann', 'demo'), 'view=operations');
    await reader.getByLabel('Your message').waitFor();
    expect(await reader.getByRole('button', { name: 'Operations' }).count()).toBe(0);
  },
  60_000,
);

browserTest(
  'the link of sluice up is short, signs in once, and brings the key to kill',
  async () => {
    expect(system.link.length).toBeLessThanOrEqual(80);
    const open = async (): Promise<Page> => {
      const context = await browser.newContext();
      contexts.push(context);
      const page = await context.newPage();
      await page.goto(system.link);
      return page;
    };
    const page = await open();
    await page.getByText('Live', { exact: true }).waitFor();
    expect(page.url()).not.toContain('code=');
    await page.getByRole('button', { name: 'Prove it' }).click();
    await page.getByRole('button', { name: 'Kill the edge' }).waitFor();
    const late = await open();
    expect(await late.getByRole('alert').innerText()).toContain('npx sluice token');
    expect(late.url()).not.toContain('code=');
    await page.reload();
    await page.getByText('Live', { exact: true }).waitFor();
  },
  60_000,
);

browserTest(
  'the worker and the edge that are killed from the panel cost no token',
  async () => {
    const page = await openPage(system.token, `kill=${system.kill}&session=killed`);
    await page.getByRole('button', { name: 'Prove it' }).click();
    await page.getByLabel('Length').selectOption('1000');
    await page.getByLabel('Your message').fill('Tell me about crashes');
    await page.keyboard.press('Enter');
    const answer = page.locator('.answer');
    const seq = async (): Promise<number> => Number(await answer.getAttribute('data-seq'));
    await until('the first tokens', async () => (await answer.count()) === 1 && (await seq()) > 30);
    await page.getByRole('button', { name: 'Kill the worker' }).click();
    await page.locator('.happenings').getByText('Taken over: attempt 2').waitFor({ timeout: 20_000 });
    await page.getByRole('button', { name: 'Kill the edge' }).click();
    await page.locator('.happenings').getByText('Connection lost').waitFor();
    await page
      .locator('.happenings')
      .getByText(/Connected again after/)
      .waitFor({ timeout: 30_000 });
    await answer.and(page.locator('[data-status="done"]')).waitFor({ timeout: 40_000 });
    expect(await seq()).toBe(1_000);
    expect(await page.locator('.figures').innerText()).toMatch(/Missing\s+0\s+Repeated\s+0\s+Reconnects\s+1/);

    expect(page.url()).not.toContain('kill=');

    // An admin too, but not by the link of `sluice up`.
    const other = await openPage(system.token, 'session=killed');
    await other.getByRole('button', { name: 'Prove it' }).click();
    await other.getByRole('button', { name: 'Stop acking' }).waitFor();
    expect(await other.getByRole('button', { name: 'Kill the edge' }).count()).toBe(0);
  },
  120_000,
);

browserTest(
  'axe finds no serious violation on the dashboard, in both colours, on desktop and phone',
  async () => {
    const generation = clientOf('demo')
      .session('axe')
      .prompt({ input: 'hi', params: { simulated: { tokens: 20 } } });
    await generation.end;
    for (const options of [{ colorScheme: 'light' }, { colorScheme: 'dark', ...PHONE }] as const) {
      const page = await openOperations(system.token, options);
      expect(await phasesOf(page, generation.id)).toContain('ended');
      expect(await seriousViolations(page)).toEqual([]);
    }
  },
  60_000,
);

test('whoever only chats does not load the charts', async () => {
  const page = await readFile(`${WEB_DIST}/index.html`, 'utf8');
  const names = (await readdir(`${WEB_DIST}/assets`)).filter((name) => name.endsWith('.js'));
  const sizes = await Promise.all(
    names.map(async (name) => ({
      name,
      isFirst: page.includes(name),
      bytes: gzipSync(await readFile(`${WEB_DIST}/assets/${name}`)).length,
    })),
  );
  expect(sizes.filter(({ isFirst }) => isFirst)).toHaveLength(1);
  expect(sizes.find(({ name }) => name.startsWith('dashboard'))).toMatchObject({ isFirst: false });
  expect(sizes.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(200_000);
});
