import { expect, test } from '@jest/globals';
import { UpstreamAddress } from '../../src/engines/openai/upstream-address.ts';

const target = (upstream: string, apiKey?: string, profile: 'openai' | 'azure' = 'openai') =>
  new UpstreamAddress({ upstream, apiKey, profile }).target('GET', '/models');

test.each([
  ['http://h:1/v1', 'http://h:1/v1/models'],
  ['http://h:1/v1//', 'http://h:1/v1/models'],
  ['http://h', 'http://h/models'],
  [
    'https://h/openai/deployments/d?api-version=2024-10-21',
    'https://h/openai/deployments/d/models?api-version=2024-10-21',
  ],
])('a path is added to %s, and its query stays', (upstream, url) => {
  expect(target(upstream).url).toBe(url);
});

test('a key is a bearer token, or what the profile says', () => {
  expect(target('http://h/v1', 'k').headers).toMatchObject({ authorization: 'Bearer k' });
  expect(target('http://h/v1', 'k', 'azure').headers).toMatchObject({ 'api-key': 'k' });
  expect(target('http://h/v1').headers).not.toHaveProperty('authorization');
});

test('a user and a password are sent as Basic, and are in no address', () => {
  const { url, headers } = target('http://ann:p%40ss@h/v1');
  expect(url).toBe('http://h/v1/models');
  expect(headers['authorization']).toBe(`Basic ${Buffer.from('ann:p@ss').toString('base64')}`);
  expect(target('http://ann:pw@h/v1', 'k', 'azure').headers).toMatchObject({
    'api-key': 'k',
    authorization: expect.stringContaining('Basic '),
  });
});

test('two answers to who asks, or no address, are refused without a word of them', () => {
  expect(() => target('http://ann:secret@h/v1', 'k')).toThrow('expected a key or `user:password@`, got both');
  for (const wrong of ['ftp://secret@h', 'secret', 'http://'])
    expect(() => target(wrong)).toThrow('upstream: expected an http or https URL');
});
