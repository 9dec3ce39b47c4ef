import { expect, test } from '@jest/globals';
import { markdown } from '../src/markdown/block-html.ts';
import { healTail } from '../src/markdown/heal-tail.ts';

const html = (text: string): string => markdown.parse(text, { async: false }).trim();

test.each([
  ['\\(a_1 + b_2\\)', 'so \\(a_1 + b_2\\) is', '<p>so <span class="math">\\(a_1 + b_2\\)</span> is</p>'],
  ['$x_1$', 'so $x_1 \\le y$, and', '<p>so <span class="math">$x_1 \\le y$</span>, and</p>'],
  ['a block', '\\[\na \\\\\n- b < c\n\\]', '<p class="math">\\[\na \\\\\n- b &lt; c\n\\]</p>'],
  ['dollars', '$$\n\\frac{1}{2}\n$$\n\nafter', '<p class="math">$$\n\\frac{1}{2}\n$$</p><p>after</p>'],
  ['after a line', 'thus\n\\[ x \\]', '<p>thus</p>\n<p class="math">\\[ x \\]</p>'],
])('a formula keeps its backslashes: %s', (_name, text, expected) => {
  expect(html(text)).toBe(expected);
});

test('a star within a formula opens no emphasis while the line grows', () => {
  expect(healTail('so \\(a*b\\) is')).toBe('so \\(a*b\\) is');
  expect(healTail('so $a*b$ is')).toBe('so $a*b$ is');
});

test('prices, code and other escapes are no formulas', () => {
  expect(html('$5 and $6')).toBe('<p>$5 and $6</p>');
  expect(html('`\\(a\\)` and \\*b\\*')).toBe('<p><code>\\(a\\)</code> and *b*</p>');
});
