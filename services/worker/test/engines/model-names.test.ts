import { expect, test } from '@jest/globals';
import { ModelNames } from '../../src/engines/openai/model-names.ts';

const LISTED = ['gpt-5', 'gpt-5-mini', 'org/llama-3.1', 'embed-1'];

test('all models of a server are offered by their own names', () => {
  const names = new ModelNames();
  expect(names.offered(LISTED)).toEqual(LISTED);
  expect(names.upstreamName('gpt-5')).toBe('gpt-5');
  expect(names.known).toEqual([]);
});

test.each([
  [['gpt-*'], ['gpt-5', 'gpt-5-mini']],
  [
    ['org/*', 'gpt-5'],
    ['gpt-5', 'org/llama-3.1'],
  ],
  // A dot is a dot.
  [['org/llama-3x1', '*.1'], ['org/llama-3.1']],
  [['unknown'], []],
  [[], []],
])('of %p those are offered that the server lists', (models, offered) => {
  expect(new ModelNames({ models }).offered(LISTED)).toEqual(offered);
});

test('an alias is offered beside what is listed, as long as its model is', () => {
  const names = new ModelNames({ models: ['gpt-5'], aliases: { fast: 'gpt-5-mini', gone: 'gpt-4' } });
  expect(names.offered(LISTED)).toEqual(['gpt-5', 'fast']);
  expect(names.upstreamName('fast')).toBe('gpt-5-mini');
  expect(new ModelNames({ models: [], aliases: { fast: 'gpt-5-mini' } }).offered(LISTED)).toEqual(['fast']);
});

test('what is named without a pattern is known without a list', () => {
  const names = new ModelNames({ models: ['a', 'b-*'], aliases: { c: 'd' } });
  expect(names.known).toEqual(['a', 'c']);
});
