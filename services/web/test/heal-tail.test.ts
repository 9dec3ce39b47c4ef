import { expect, test } from '@jest/globals';
import { healTail } from '../src/markdown/heal-tail.ts';

test.each([
  ['an open bold', 'is **bo', 'is **bo**'],
  ['a bold that begins', 'is **', 'is '],
  ['an open emphasis', 'is *so', 'is *so*'],
  ['open code', 'run `npm i', 'run `npm i`'],
  ['code that begins', 'run `', 'run '],
  ['the words of a link', 'see [the pa', 'see the pa'],
  ['a link without its address', 'see [the page](https://exa', 'see the page'],
  ['the number of the next item', '1. one\n2', '1. one\n'],
  ['the star of the next item', '* one\n  *', '* one\n'],
  ['a struck word', 'not ~~thi', 'not ~~thi~~'],
])('%s is closed or held back', (_what, text, healed) => {
  expect(healTail(text)).toBe(healed);
});

test.each([
  ['finished marks', 'a **b** and *c* and `d` and [e](https://f.test)'],
  ['a list item with a star', '* item'],
  ['a product', '2 * 3'],
  ['a number alone', '42'],
  ['a task', '- [ '],
  ['stars within code', 'run `a ** b` now'],
  ['only the last line counts', 'an **open line\nthen plain'],
])('%s is left alone', (_what, text) => {
  expect(healTail(text)).toBe(text);
});
