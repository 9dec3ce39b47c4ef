import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadConfig, redactConfig } from '@sluice/runtime';
import { upstreamsOf, workerConfigRules, workerConfigSchema } from '../src/config.ts';

const load = (env: Record<string, string>) =>
  loadConfig(workerConfigSchema, { SLUICE_ENGINE: 'openai', ...env }, workerConfigRules);
const upstreams = (...list: object[]): Record<string, string> => ({ SLUICE_UPSTREAMS: JSON.stringify(list) });

const LOCAL = { name: 'local', url: 'http://127.0.0.1:8000/v1' };

test('one upstream needs no list', () => {
  const config = load({
    SLUICE_UPSTREAM: LOCAL.url,
    SLUICE_UPSTREAM_KEY: 'k',
    SLUICE_UPSTREAM_PROFILE: 'vllm',
  });
  expect(upstreamsOf(config)).toMatchObject([
    { options: { upstream: LOCAL.url, apiKey: 'k', profile: 'vllm', messages: 'show' } },
  ]);
});

test('several have a name, a key, a profile, models and slots each, and the rest in common', () => {
  const keyFile = join(mkdtempSync(join(tmpdir(), 'sluice-')), 'key');
  writeFileSync(keyFile, 'from a file\n');
  const hosted = { name: 'hosted', url: 'https://api.example.com/v1', keyFile, models: ['gpt-*'] };
  const config = load({
    ...upstreams({ ...LOCAL, profile: 'vllm', slots: 8, aliases: { fast: 'llama' } }, hosted),
    SLUICE_UPSTREAM_MESSAGES: 'hide',
  });
  const [local, remote] = upstreamsOf(config);
  expect(local).toMatchObject({
    ...{ name: 'local', slots: 8 },
    options: { upstream: LOCAL.url, profile: 'vllm', messages: 'hide' },
  });
  expect(local?.options.names?.upstreamName('fast')).toBe('llama');
  expect(remote).toMatchObject({ name: 'hosted', options: { apiKey: 'from a file', profile: 'openai' } });
  expect(remote?.slots).toBeUndefined();
  expect(remote?.options.names?.offered(['gpt-5', 'other'])).toEqual(['gpt-5']);
  expect(JSON.stringify(redactConfig(workerConfigSchema, config))).not.toContain('from a file');
});

describe('what is wrong with upstreams is said, without their keys', () => {
  test.each([
    [{ SLUICE_UPSTREAMS: '[{"name": "a", sk-secret' }, 'what is given is not JSON'],
    [upstreams({ ...LOCAL, url: 'sk-secret' }), '[0].url: expected an http or https URL'],
    [upstreams({ ...LOCAL, name: 'A b' }), '[0].name: expected lower-case letters'],
    [upstreams(LOCAL, { ...LOCAL, key: 'sk-secret' }), 'local: expected each name once'],
    [upstreams({ ...LOCAL, kee: 'sk-secret' }), '[0]: Unrecognized key: "kee"'],
    [
      upstreams({ ...LOCAL, keyFile: '/nowhere/key' }),
      'keyFile of local: expected a file that can be read, got ENOENT',
    ],
    [upstreams({ ...LOCAL, keyFile: '/k', key: 'sk-secret' }), 'keyFile of local: expected no key beside it'],
    [{ ...upstreams(LOCAL), SLUICE_UPSTREAM: LOCAL.url }, 'SLUICE_UPSTREAM: expected nothing beside'],
    [
      { ...upstreams(LOCAL), SLUICE_UPSTREAM_KEY: 'sk-secret' },
      'SLUICE_UPSTREAM_KEY: expected nothing beside',
    ],
    [{ ...upstreams(LOCAL), SLUICE_MODEL: 'm' }, 'SLUICE_MODEL: expected nothing beside'],
    [{ ...upstreams(LOCAL), SLUICE_WORKER_NAME: 'w'.repeat(60) }, 'SLUICE_WORKER_NAME: expected at most 58'],
    [{}, 'SLUICE_UPSTREAM: expected the base URL'],
  ])('%#', (env, message) => {
    expect(() => load(env)).toThrow(message);
    try {
      load(env);
    } catch (error) {
      expect(String(error)).not.toContain('sk-secret');
    }
  });
});
