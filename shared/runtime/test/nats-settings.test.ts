import { expect, test } from '@jest/globals';
import { checkRetention, ConfigError, loadConfig, natsSettings } from '../src/index.ts';

const urlOf = (value: string): string => loadConfig(natsSettings, { SLUICE_NATS_URL: value }).natsUrl;

test.each([
  'nats://127.0.0.1:4222',
  'tls://nats.example.com',
  'a:4222, nats://b:4222',
  'localhost',
  'nats://[::1]:4222',
])('%s finds servers', (value) => {
  expect(urlOf(value)).toBe(value);
});

test.each(['nats://[bad', 'nats://', 'nats://a:4222,', 'nats://a:port'])('%s is refused at once', (value) => {
  expect(() => urlOf(value)).toThrow(
    `SLUICE_NATS_URL: expected nats://host:port, several separated by commas, got "${value}"`,
  );
});

test('a password in the address is refused, since the library would pass over it, and never shown', () => {
  expect(() => urlOf('nats://ann:hunter2@a:4222')).toThrow(ConfigError);
  expect(() => urlOf('nats://ann:hunter2@a:4222')).not.toThrow('hunter2');
  expect(() => urlOf('ann:hunter2@a:4222')).not.toThrow('hunter2');
});

test('items that would expire before their tokens are refused', () => {
  const load = (sessionsMs: number) =>
    loadConfig(
      natsSettings,
      { SLUICE_TOKENS_RETENTION_MS: '120000', SLUICE_SESSIONS_RETENTION_MS: String(sessionsMs) },
      { check: checkRetention },
    );
  expect(load(120_000)).toMatchObject({ sessionsRetentionMs: 120_000 });
  expect(() => load(119_999)).toThrow(
    'SLUICE_SESSIONS_RETENTION_MS: expected at least SLUICE_TOKENS_RETENTION_MS, 120000, got 119999',
  );
});
