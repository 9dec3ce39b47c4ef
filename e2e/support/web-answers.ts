import type { Bus } from '@sluice/bus';
import { waitFor } from '@sluice/testkit';
import { marked } from 'marked';
import type { Locator, Page } from 'playwright-core';
import { keyOf, storedText } from './clients.ts';

/** Opens the panel and says how long the next answer is and how fast. */
export const prove = async (page: Page, length: string, speed: string): Promise<void> => {
  await page.getByRole('button', { name: 'Prove it' }).click();
  await page.getByLabel('Length').selectOption(length);
  await page.getByLabel('Speed').selectOption(speed);
};

/** @returns the id of the answer's generation */
export const ask = async (page: Page, text: string): Promise<string> => {
  const before = await page.locator('.answer').count();
  await page.getByLabel('Your message').fill(text);
  await page.keyboard.press('Enter');
  const answer = page.locator('.answer').nth(before);
  await answer.waitFor();
  return (await answer.getAttribute('data-generation')) ?? '';
};

export const answerOf = (page: Page, generation: string): Locator =>
  page.locator(`[data-generation="${generation}"]`);

export const seqOf = async (page: Page, generation: string): Promise<number> =>
  Number(await answerOf(page, generation).getAttribute('data-seq'));

export const untilSeq = (page: Page, generation: string, seq: number): Promise<boolean> =>
  waitFor(async () => (await seqOf(page, generation)) >= seq, {
    timeoutMs: 20_000,
    pollMs: 20,
    what: `token ${seq} on the page`,
  });

export const untilDone = (page: Page, generation: string): Promise<void> =>
  answerOf(page, generation).and(page.locator('[data-status="done"]')).waitFor({ timeout: 40_000 });

const withoutSpace = (text: string): string => text.replace(/[\s☑☐]+/g, '');

/** What a reader sees of an answer, without the page's own words around code. */
export const shownText = async (page: Page, generation: string): Promise<string> =>
  withoutSpace(
    await answerOf(page, generation).evaluate((answer) =>
      [...answer.querySelectorAll(':scope > .markdown')]
        .map((element) => {
          const copy = element.cloneNode(true) as Element;
          for (const caption of copy.querySelectorAll('figcaption')) caption.remove();
          return copy.textContent;
        })
        .join(''),
    ),
  );

/** The log's text as Markdown, rendered by the library alone and not by our pages. */
export const expectedText = async (
  bus: Bus,
  page: Page,
  session: string,
  generation: string,
): Promise<string> => {
  const html = await marked.parse(await storedText(bus, keyOf(session, generation)));
  return withoutSpace(
    await page.evaluate(
      (source) => new DOMParser().parseFromString(source, 'text/html').body.textContent,
      html,
    ),
  );
};
