import { describe, expect, test } from '@jest/globals';
import { promptTokensOf, wholeUsage } from '../src/index.ts';

describe('the usage of a generation', () => {
  const counted = { promptTokens: 7, completionTokens: 5 };

  test('is what the engine counted, in its own words', () => {
    const usage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13, cost: 0.1 };
    expect(wholeUsage(usage, counted)).toEqual(usage);
  });

  test('is estimated where the engine counted nothing', () => {
    expect(wholeUsage(undefined, counted)).toEqual({
      ...{ prompt_tokens: 7, completion_tokens: 5, total_tokens: 12, estimated: true },
    });
  });

  test('is completed where the engine counted one side only', () => {
    expect(wholeUsage({ completion_tokens: 3, total_tokens: 3 }, counted)).toEqual({
      ...{ prompt_tokens: 7, completion_tokens: 3, total_tokens: 10, estimated: true },
    });
  });

  test('counts four bytes of text for a token of a prompt, and no images', () => {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(4_000)}` } };
    expect(promptTokensOf([])).toBe(0);
    expect(promptTokensOf([{ role: 'user', content: 'äöü' }])).toBe(2);
    expect(
      promptTokensOf([
        { role: 'system', content: 'abcd' },
        { role: 'user', content: [{ type: 'text', text: 'abcdefgh' }, image, null] },
        { role: 'assistant', content: null },
      ]),
    ).toBe(3);
  });
});
