import { expect } from '@jest/globals';
import type { Page } from 'playwright-core';
import { browserTest } from './support/browser.ts';
import { keyOf, storedTokens, tokenFor } from './support/clients.ts';
import {
  answerOf,
  ask,
  expectedText,
  prove,
  seqOf,
  shownText,
  untilDone,
  untilSeq,
} from './support/web-answers.ts';
import { useWebSystem } from './support/web-system.ts';

/** Tabs of one session or several people's, in a real browser: what streams into them is the text of the log. */

const web = useWebSystem();

browserTest(
  'tabs that are cut, reloaded, opened in mid-answer and late all show the text of the log',
  async () => {
    const ann = await web().open('ann', 'cuts');
    expect(ann.url()).not.toContain('token');
    await prove(ann, '1000', '200');
    const generation = await ask(ann, 'Tell me about delivery');
    for (const [cuts, seq] of [60, 200].entries()) {
      await untilSeq(ann, generation, seq);
      await ann.getByRole('button', { name: 'Cut the connection' }).click();
      // It may be back before anybody sees it gone.
      const reconnects = ann.locator('.figures div', { hasText: 'Reconnects' });
      await reconnects.getByText(`${cuts + 1}`, { exact: true }).waitFor();
    }
    await ann
      .getByText(/Caught up \d+ tokens? in \d+ ms/)
      .first()
      .waitFor();

    const opening = ann.context().waitForEvent('page');
    await ann.getByRole('button', { name: 'Open a second viewer' }).click();
    const second = await opening;
    await untilSeq(second, generation, 300);
    await ann.reload();
    await untilSeq(ann, generation, 400);
    expect(await seqOf(ann, generation)).toBeLessThan(1_000);
    await Promise.all([untilDone(ann, generation), untilDone(second, generation)]);
    const late = await web().open('bob', 'cuts');
    await untilDone(late, generation);

    const tokens = await storedTokens(web().bus, keyOf('cuts', generation));
    const expected = await expectedText(web().bus, ann, 'cuts', generation);
    expect(expected.length).toBeGreaterThan(2_000);
    for (const page of [ann, second, late]) {
      expect(await seqOf(page, generation)).toBe(tokens.length);
      expect(await shownText(page, generation)).toBe(expected);
    }
    // What streamed into the page is, node for node, what a page renders that loads it whole.
    const html = (page: Page) => answerOf(page, generation).locator(':scope > .markdown').innerHTML();
    expect(await html(second)).toBe(await html(late));
  },
  90_000,
);

browserTest(
  'stopping keeps the text so far and shows the receipt; asking again adds only an answer',
  async () => {
    const ann = await web().open('ann', 'stop');
    await prove(ann, '4000', '200');
    const generation = await ask(ann, 'Count for me');
    await untilSeq(ann, generation, 40);
    await ann.getByRole('button', { name: 'Stop the answer' }).click();
    await ann.getByText(/Stopped: engine released in \d+ ms, \d+ tokens? after the click/).waitFor();
    const stored = await storedTokens(web().bus, keyOf('stop', generation));
    expect(stored.length).toBeLessThan(1_000);
    expect(await shownText(ann, generation)).toBe(await expectedText(web().bus, ann, 'stop', generation));

    await ann.getByLabel('Length').selectOption('0');
    await ann.getByRole('button', { name: 'Ask again' }).click();
    await ann.getByText('Asked again').waitFor();
    expect(await ann.locator('.question').count()).toBe(1);
    expect(await ann.locator('.answer').count()).toBe(2);
    await ann.locator('.answer').nth(1).locator('.answer-actions').waitFor({ timeout: 30_000 });
  },
  60_000,
);

browserTest(
  'a tab that stops acking makes the worker wait, and misses and repeats nothing',
  async () => {
    const ann = await web().open('ann', 'acks');
    await prove(ann, '1000', '200');
    const generation = await ask(ann, 'Tell me about flow control');
    await untilSeq(ann, generation, 50);
    await ann.getByRole('button', { name: 'Stop acking' }).click();
    await ann
      .locator('.happenings')
      .getByText('Paused: the worker waits for acks')
      .waitFor({ timeout: 10_000 });
    const paused = await seqOf(ann, generation);
    expect(paused).toBeLessThan(1_000);
    await ann.getByRole('button', { name: 'Ack again' }).click();
    await untilSeq(ann, generation, Math.min(1_000, paused + 100));
    await ann.getByRole('button', { name: 'Read slowly' }).click();
    await ann.getByRole('button', { name: 'Cut the connection' }).click();
    await ann.getByRole('button', { name: 'Read at full speed' }).click();
    await untilDone(ann, generation);
    expect(await shownText(ann, generation)).toBe(await expectedText(web().bus, ann, 'acks', generation));
    const figures = await ann.locator('.figures').innerText();
    expect(figures).toMatch(/Missing\s+0\s+Repeated\s+0\s+Reconnects\s+1/);
  },
  60_000,
);

browserTest(
  'two people in one session see each other, who types, notes and one answer',
  async () => {
    const ann = await web().open('ann', 'together');
    const bob = await web().open('bob', 'together');
    await ann.getByLabel('Here: you, \u2068bob\u2069').waitFor();
    await bob.getByLabel('Here: you, \u2068ann\u2069').waitFor();
    await bob.getByLabel('Your message').pressSequentially('only for you');
    await ann.getByText('bob is typing…').waitFor();
    await bob.getByRole('button', { name: 'To people only' }).click();
    await ann.locator('.bubble', { hasText: 'only for you' }).waitFor();
    const generation = await ask(bob, 'What is a log?');
    await Promise.all([untilDone(ann, generation), untilDone(bob, generation)]);
    const expected = await expectedText(web().bus, ann, 'together', generation);
    for (const page of [ann, bob]) expect(await shownText(page, generation)).toBe(expected);
    expect(await ann.locator('.question .author').last().innerText()).toContain('bob');
    await bob.context().close();
    await ann.getByLabel('Here: you', { exact: true }).waitFor({ timeout: 20_000 });
  },
  60_000,
);

/** A network that lets no WebSocket through. */
const withoutSockets = (): void => {
  class Refused extends EventTarget {
    readonly protocol = '';
    readyState = 0;
    constructor() {
      super();
      setTimeout(() => {
        this.readyState = 3;
        this.dispatchEvent(new Event('error'));
        this.dispatchEvent(new CloseEvent('close', { code: 1006 }));
      });
    }
    send(): void {}
    close(): void {}
  }
  Object.assign(window, { WebSocket: Refused });
};

browserTest(
  'without a WebSocket the panel says what it cannot do, and why',
  async () => {
    const page = await (await web().newContext()).newPage();
    await page.addInitScript(withoutSockets);
    await page.goto(`${web().url}/#token=${tokenFor('ann')}&session=no-socket`);
    await page.getByText('Live · SSE', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Prove it' }).click();
    expect(await page.getByRole('button', { name: 'Stop acking' }).isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: 'Read slowly' }).isDisabled()).toBe(true);
    await page.getByText(/held back on a WebSocket only/).waitFor();
  },
  30_000,
);
