import { expect } from '@jest/globals';
import { browserTest } from './support/browser.ts';
import { recordedClient } from './support/clients.ts';
import { answerOf, ask, shownText, untilDone } from './support/web-answers.ts';
import { useWebSystem } from './support/web-system.ts';

/** What a model says, as the web pages show it in a real browser. */

const web = useWebSystem();

browserTest(
  'the model that is picked answers, also after a reload',
  async () => {
    web().scripts.set('who are you', ['I am ', 'scripted.']);
    const ann = await web().open('ann', 'models');
    await ann.getByLabel('Model').selectOption('scripted');
    for (const round of ['picked', 'reloaded']) {
      if (round === 'reloaded') {
        await ann.reload();
        await ann.locator('.model-picker option', { hasText: 'scripted' }).waitFor({ state: 'attached' });
      }
      const generation = await ask(ann, 'who are you');
      await untilDone(ann, generation);
      expect(await shownText(ann, generation)).toBe('Iamscripted.');
    }
    await ann.getByLabel('Model').selectOption('Default model');
    const generation = await ask(ann, 'And you?');
    await untilDone(ann, generation);
    expect(await answerOf(ann, generation).innerText()).toContain('simulated');
  },
  60_000,
);

const HOSTILE = `# Hello <script>window.pwned = 1</script>

<script>window.pwned = 2</script>
<img src="https://evil.test/a.png" onerror="window.pwned = 3">
<svg onload="window.pwned = 4"><a xlink:href="javascript:window.pwned = 5">x</a></svg>

[click](javascript:window.pwned=6) [click](JaVaScRiPt&#58;window.pwned=7) [data](data:text/html,<script>1</script>)
![pixel](https://evil.test/b.png) <https://fine.test/> [relative](/v1/ws)
[title](https://fine.test "x\\" onmouseover=\\"window.pwned=8")

<iframe srcdoc="<script>parent.pwned = 9</script>"></iframe>
<form action="https://evil.test"><input name="attributes"><button>go</button></form>
<style>body { display: none }</style><base href="https://evil.test/"><meta http-equiv="refresh" content="0;url=https://evil.test">

| a | <b onclick="window.pwned = 10">b</b> |
|---|---|
| one<br>two | <math><mtext></p><img src=x onerror="window.pwned = 11"></math> |

\`\`\`html"><img src=x onerror=window.pwned=12>
</code></pre><script>window.pwned = 13</script>
\`\`\`

<div><table><p><b>never closed <a href="javascript:window.pwned=14"
`;

browserTest(
  'a hostile answer is shown as text and does nothing',
  async () => {
    const pieces = HOSTILE.match(/[^]{1,5}/g) ?? [];
    web().scripts.set('be evil', pieces);
    const { client } = recordedClient(web().url, 'mallory <img src=x onerror=window.pwned=20>');
    const page = await web().open('ann', 'hostile');
    const foreign: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(web().url)) foreign.push(request.url());
    });
    page.on('dialog', (dialog) => foreign.push(`dialog ${dialog.message()}`));
    await page.evaluate(() => {
      document.addEventListener('securitypolicyviolation', ({ blockedURI }) => {
        document.body.dataset['violation'] = blockedURI || 'inline';
      });
    });
    const prompt = { input: 'be evil', model: 'scripted' };
    const { id } = client.session('hostile').prompt(prompt);
    await answerOf(page, id).waitFor();
    await untilDone(page, id);
    // Streamed, and again from the log.
    for (const round of ['streamed', 'loaded']) {
      if (round === 'loaded') await page.reload();
      await untilDone(page, id);
      await answerOf(page, id).hover();
      const found = await page.evaluate(() => ({
        pwned: (window as { pwned?: unknown }).pwned,
        violation: document.body.dataset['violation'],
        // All but the page's own logo and icons.
        forbidden: [
          ...document.querySelectorAll(
            '.turns :is(script, iframe, img, form, style, base, meta, input, svg)',
          ),
        ]
          .filter((element) => !element.matches('.icon, .logo'))
          .map((element) => element.outerHTML),
        handlers: [...document.querySelectorAll('.turns *')]
          .flatMap((element) => element.getAttributeNames())
          .filter((name) => name.startsWith('on')),
        links: [...document.querySelectorAll<HTMLAnchorElement>('.turns a')].map(({ href }) => href),
        openers: document.querySelectorAll('.turns a:not([target="_blank"][rel~="noopener"])').length,
        text: document.querySelector('.answer')?.textContent ?? '',
      }));
      expect(found).toMatchObject({
        pwned: undefined,
        violation: undefined,
        forbidden: [],
        handlers: [],
        openers: 0,
      });
      expect(found.links.length).toBeGreaterThan(0);
      for (const href of found.links) expect(href).toMatch(/^https:\/\/(fine|evil)\.test\//);
      expect(found.text).toContain('<script>window.pwned = 2</script>');
    }
    expect(foreign).toEqual([]);
    expect(await page.locator('.question .author').last().innerText()).toContain('<img');
    await client.close();
  },
  60_000,
);

browserTest(
  'what one person wrote turns the direction of nobody else’s text',
  async () => {
    const { client } = recordedClient(web().url, 'bob');
    await client.session('bidi').message('\u202egnp.exe');
    const page = await web().open('ann', 'bidi');
    await page.locator('.bubble').getByText('gnp.exe').waitFor();
    const directions = await page.evaluate(() =>
      [...document.querySelectorAll('.author bdi, .bubble bdi')].map((element) => [
        element.textContent,
        getComputedStyle(element).unicodeBidi,
      ]),
    );
    expect(directions).toEqual([
      ['bob', 'isolate'],
      ['\u202egnp.exe', 'isolate'],
    ]);
    await client.close();
  },
  60_000,
);
