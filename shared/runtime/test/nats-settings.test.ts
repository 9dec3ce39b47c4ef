import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { checkNatsSettings, ConfigError, loadConfig, natsOptionsOf, natsSettings } from '../src/index.ts';

const urlOf = (value: string): string => loadConfig(natsSettings, { SLUICE_NATS_URL: value }).natsUrl;

const TITLE = 'nats://host:port or, for all of them, tls://host:port, separated by commas';

test.each([
  'nats://127.0.0.1:4222',
  'tls://nats.example.com',
  'a:4222, nats://b:4222',
  'localhost',
  'nats://[::1]:4222',
])('%s finds servers', (value) => {
  expect(urlOf(value)).toBe(value);
});

test.each([
  'nats://[bad',
  'nats://',
  'nats://a:4222,',
  'nats://a:port',
  'http://a:4222',
  'wss://a',
  'natss://a:4222',
  'tls://a:4222,nats://b:4222',
  'tls://a:4222,b:4222',
])('%s is refused at once', (value) => {
  expect(() => urlOf(value)).toThrow(`SLUICE_NATS_URL: expected ${TITLE}, got "${value}"`);
});

test('a password in the address is refused, since the library would pass over it, and never shown', () => {
  expect(() => urlOf('nats://ann:hunter2@a:4222')).toThrow(ConfigError);
  expect(() => urlOf('nats://ann:hunter2@a:4222')).not.toThrow('hunter2');
  expect(() => urlOf('ann:hunter2@a:4222')).not.toThrow('hunter2');
});

describe('who this is, and who the servers are', () => {
  let folder: string;
  let path: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-settings-'));
    path = join(folder, 'secret');
    writeFileSync(path, 'secret');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const load = (env: Record<string, string>) =>
    loadConfig(
      natsSettings,
      Object.fromEntries(Object.entries(env).map(([name, value]) => [`SLUICE_NATS_${name}`, value])),
      { check: checkNatsSettings },
    );

  test('are given as files, which the bus reads', () => {
    const config = load({ URL: 'tls://a', NKEY_FILE: path, CA_FILE: path, CERT_FILE: path, KEY_FILE: path });
    const files = { nkey: path, ca: path, certificate: path, key: path };
    expect(natsOptionsOf(config, 'edge')).toMatchObject({ url: 'tls://a', files });
    expect(natsOptionsOf(load({ USER: 'edge', PASSWORD_FILE: path }), 'edge')).toMatchObject({
      ...{ user: 'edge', files: { password: path } },
    });
  });

  test('a file that is not there is named at start', () => {
    const missing = join(folder, 'none');
    expect(() => load({ CREDS_FILE: missing, TOKEN_FILE: folder })).toThrow(
      `SLUICE_NATS_TOKEN_FILE: expected path of a file that can be read, got "${folder}"; ` +
        `SLUICE_NATS_CREDS_FILE: expected path of a file that can be read, got "${missing}"`,
    );
  });

  test('one way to log in', () => {
    expect(() => load({ USER: 'edge', PASSWORD: 'hunter2', NKEY_FILE: path, CREDS_FILE: path })).toThrow(
      'SLUICE_NATS_CREDS_FILE: expected one way to log in, got SLUICE_NATS_PASSWORD as well; ' +
        'SLUICE_NATS_NKEY_FILE: expected one way to log in, got SLUICE_NATS_PASSWORD as well',
    );
  });

  test('certificates are of no use without TLS', () => {
    expect(() => load({ URL: 'nats://a', CA_FILE: path })).toThrow(
      'SLUICE_NATS_CA_FILE: expected tls://host:port in SLUICE_NATS_URL, got servers without TLS',
    );
  });

  test.each([
    ['CERT_FILE', 'KEY_FILE'],
    ['KEY_FILE', 'CERT_FILE'],
    ['PASSWORD', 'USER'],
    ['PASSWORD_FILE', 'USER'],
  ])('%s needs %s', (name, other) => {
    expect(() => load({ URL: 'tls://a', [name]: path })).toThrow(
      `SLUICE_NATS_${name}: expected SLUICE_NATS_${other} as well, got it alone`,
    );
  });
});

test('items that would expire before their tokens are refused', () => {
  const load = (sessionsMs: number) =>
    loadConfig(
      natsSettings,
      { SLUICE_TOKENS_RETENTION_MS: '120000', SLUICE_SESSIONS_RETENTION_MS: String(sessionsMs) },
      { check: checkNatsSettings },
    );
  expect(load(120_000)).toMatchObject({ sessionsRetentionMs: 120_000 });
  expect(() => load(119_999)).toThrow(
    'SLUICE_SESSIONS_RETENTION_MS: expected at least SLUICE_TOKENS_RETENTION_MS, 120000, got 119999',
  );
});
