import { expect, test } from '@jest/globals';
import { generationIds } from '../src/index.ts';

const key = { org: 'acme', session: 's', generation: 'g' };
const trace = '0af7651916cd43dd8448eb211c80319c';

test('a line about a generation has its ids, and its trace where there is one', () => {
  expect(generationIds(key)).toEqual(key);
  expect(generationIds(key, `00-${trace}-b7ad6b7169203331-01`)).toEqual({ ...key, trace });
});

test('nothing else that is known of it is logged, and no trace that is not well formed', () => {
  const job = { ...key, attempt: 2, input: 'a prompt' };
  expect(generationIds(job, 'a prompt')).toEqual(key);
});
