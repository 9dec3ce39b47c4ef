import { describe, expect, test } from '@jest/globals';
import { textOf } from '@sluice/protocol';
import { requestOf } from '@sluice/testkit';
import type { EngineRules } from '@sluice/core';
import { canContinueFrom, PROFILES } from '../../src/engines/openai/profile.ts';
import type { Profile } from '../../src/engines/openai/profile.ts';
import { ContinuedText } from '../../src/engines/openai/continued-text.ts';
import { requestBody } from '../../src/engines/openai/request-body.ts';

describe('the text that a server is asked to continue', () => {
  const after = (prefix: readonly string[], output: readonly string[]): string => {
    const continued = new ContinuedText(prefix);
    return output.map((token) => textOf(continued.dropRepeated(token) ?? '')).join('');
  };

  test('is sent without the white space at its end, which is then taken out of the output', () => {
    expect(new ContinuedText(['a', ' b', '\n\n'])).toMatchObject({ text: 'a b', tokens: 2 });
    expect(after(['a', '\n\n'], ['\n', '\n', 'c'])).toBe('c');
    expect(after(['a', '\n\n'], ['\n\n  c'])).toBe('  c');
    expect(after(['a '], [' ', ' b'])).toBe(' b');
  });

  test('may be continued with other white space or none', () => {
    expect(after(['a', '\n\n'], ['\nb', '\n'])).toBe('b\n');
    expect(after(['a', ' '], ['b', ' c'])).toBe('b c');
    expect(after(['a'], [' b'])).toBe(' b');
  });

  test('is nothing when only white space is stored', () => {
    expect(new ContinuedText(['\n', ' '])).toMatchObject({ text: '', tokens: 0 });
    expect(after(['\n', ' '], ['\n', ' a'])).toBe('a');
  });

  test('is what profiles other than openai can continue, unless it holds more than text', () => {
    for (const profile of ['vllm', 'sglang', 'llamacpp', 'ollama'] as const) {
      expect(canContinueFrom(profile, ['a'])).toBe(true);
      expect(canContinueFrom(profile, ['a', { kind: 'reasoning', text: 'b' }])).toBe(false);
      expect(canContinueFrom(profile, [{ kind: 'tool_call', text: 'b' }])).toBe(false);
    }
    expect(canContinueFrom('openai', ['a'])).toBe(false);
    expect(canContinueFrom('openai', [])).toBe(true);
  });
});

describe('the request body', () => {
  const bodyOf = (
    params: object,
    prefix: readonly string[] = [],
    profile: Profile = 'vllm',
    rules: EngineRules = { params: [], urlHosts: [] },
  ) =>
    requestBody(requestOf('hello', { params: { ...params }, prefix }), new ContinuedText(prefix), {
      ...{ profile, model: 'served', rules },
    });

  test('has the params that are accepted, and what makes it ours', () => {
    const rules = { params: ['priority'], urlHosts: [] };
    expect(bodyOf({ temperature: 0.5, top_k: 7, priority: 1 }, [], 'vllm', rules)).toEqual({
      temperature: 0.5,
      top_k: 7,
      priority: 1,
      model: 'served',
      messages: [{ role: 'user', content: 'hello' }],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test.each(['n', 'stream', 'stream_options', 'model', 'messages', 'simulated', 'best_of'])(
    'is not made with `%s`, which is named',
    (name) => {
      expect(() => bodyOf({ [name]: 1 })).toThrow(`\`${name}\``);
    },
  );

  test('has what a server is known to understand', () => {
    for (const profile of ['vllm', 'sglang', 'llamacpp', 'ollama', 'openrouter', 'litellm'] as const)
      expect(bodyOf({ top_k: 7 }, [], profile)).toHaveProperty('top_k', 7);
    expect(() => bodyOf({ top_k: 7 }, [], 'openai')).toThrow('`top_k`');
  });

  test('is not made of a prompt that names a private address, however old', () => {
    const messages = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'file:///etc' } }] }];
    const request = { ...requestOf('hello'), messages };
    const upstream = { profile: 'vllm', model: 'served', rules: { params: [], urlHosts: [] } } as const;
    expect(() => requestBody(request, new ContinuedText([]), upstream)).toThrow('messages.0.content.0');
  });

  test('bounds an answer that its prompt does not bound', () => {
    const rules = { params: [], urlHosts: [], maxTokens: 10 };
    expect(bodyOf({}, ['a'], 'vllm', rules)).toMatchObject({ max_tokens: 9 });
    expect(bodyOf({}, [], 'openai', rules)).toMatchObject({ max_completion_tokens: 10 });
    expect(bodyOf({ max_tokens: 4 }, [], 'openai', rules)).not.toHaveProperty('max_completion_tokens');
    expect(() => bodyOf({ max_tokens: 11 }, [], 'vllm', rules)).toThrow('SLUICE_MAX_TOKENS');
  });

  test('bounds an answer by the one name that its server knows, and by the lower of two bounds', () => {
    const both = { max_tokens: 9, max_completion_tokens: 4 };
    const newer = ['openai', 'azure'];
    for (const profile of PROFILES.filter((each) => !newer.includes(each))) {
      expect(bodyOf({ max_completion_tokens: 4 }, [], profile)).toMatchObject({ max_tokens: 4 });
      expect(bodyOf(both, [], profile)).toMatchObject({ max_tokens: 4 });
      expect(bodyOf(both, [], profile)).not.toHaveProperty('max_completion_tokens');
    }
    expect(bodyOf(both, [], 'openai')).toMatchObject({ max_completion_tokens: 4 });
    expect(bodyOf(both, [], 'openai')).not.toHaveProperty('max_tokens');
    for (const name of ['max_tokens', 'max_completion_tokens'])
      expect(bodyOf({ [name]: 4 }, [], 'openai')).toMatchObject({ [name]: 4 });
  });

  test('asks to continue in the way of the profile, with the rest of the tokens', () => {
    const messages = [
      { role: 'user', content: 'hello' },
      { role: 'assistant', content: 'a b' },
    ];
    expect(bodyOf({ max_tokens: 10 }, ['a', ' b'])).toMatchObject({
      messages,
      max_tokens: 8,
      continue_final_message: true,
      add_generation_prompt: false,
    });
    const trailing = bodyOf({ max_completion_tokens: 10 }, ['a', ' b'], 'ollama');
    expect(trailing).toMatchObject({ messages, max_tokens: 8 });
    expect(trailing).not.toHaveProperty('continue_final_message');
  });

  test('is not needed when the stored tokens are as many as allowed', () => {
    expect(bodyOf({ max_tokens: 2 }, ['a', ' b'])).toBeUndefined();
  });
});
