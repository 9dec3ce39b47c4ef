import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import {
  ConfigError,
  count,
  defineConfig,
  describeConfig,
  flag,
  list,
  loadConfig,
  port,
  redactConfig,
  setting,
} from '../src/index.ts';
import type { ConfigOf, ConfigProblem } from '../src/index.ts';

const schema = defineConfig({
  port: setting(port().default(8080), { env: 'DEMO_PORT', about: 'Port to listen on.' }),
  secret: setting(z.string().min(32), { env: 'DEMO_SECRET', about: 'Key of the tokens.', secret: true }),
  natsUrls: setting(list().default(['nats://127.0.0.1:4222']), { env: 'DEMO_NATS', about: 'Servers.' }),
  profile: setting(z.enum(['r1', 'r3']).default('r1'), { env: 'DEMO_PROFILE', about: 'Profile.' }),
  verbose: setting(flag().default(false), { env: 'DEMO_VERBOSE', about: 'Say more.' }),
  lingerMs: setting(count(0, 60_000).optional(), { env: 'DEMO_LINGER_MS', about: 'Linger, ms.' }),
});
const SECRET = 'x'.repeat(32);

const problemsOf = (run: () => unknown): readonly ConfigProblem[] => {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('expected a ConfigError, got none');
};

describe('loadConfig', () => {
  test('gives typed values and defaults', () => {
    const config: ConfigOf<typeof schema> = loadConfig(schema, {
      DEMO_SECRET: SECRET,
      DEMO_NATS: 'nats://a:1, nats://b:2,',
      DEMO_VERBOSE: 'true',
      DEMO_LINGER_MS: '250',
    });
    const expected: typeof config = {
      port: 8080,
      secret: SECRET,
      natsUrls: ['nats://a:1', 'nats://b:2'],
      profile: 'r1',
      verbose: true,
      lingerMs: 250,
    };
    expect(config).toEqual(expected);
  });

  test('an empty or blank variable is an unset one', () => {
    const config = loadConfig(schema, { DEMO_SECRET: SECRET, DEMO_PORT: '', DEMO_LINGER_MS: '  ' });
    expect(config.port).toBe(8080);
    expect(config.lingerMs).toBeUndefined();
  });

  test('"false" is false', () => {
    expect(loadConfig(schema, { DEMO_SECRET: SECRET, DEMO_VERBOSE: 'false' }).verbose).toBe(false);
  });

  test('reports all problems at once, with what was expected and what came', () => {
    const problems = problemsOf(() =>
      loadConfig(schema, {
        DEMO_PORT: '99999',
        DEMO_PROFILE: 'r2',
        DEMO_VERBOSE: 'maybe',
        DEMO_LINGER_MS: 'x',
      }),
    );
    expect(problems).toEqual([
      { name: 'DEMO_PORT', expected: 'integer 0..65535', got: '"99999"' },
      { name: 'DEMO_SECRET', expected: 'text of >= 32 characters', got: 'nothing' },
      { name: 'DEMO_PROFILE', expected: 'r1 | r3', got: '"r2"' },
      { name: 'DEMO_VERBOSE', expected: 'true or false', got: '"maybe"' },
      { name: 'DEMO_LINGER_MS', expected: 'integer 0..60000', got: '"x"' },
    ]);
  });

  test('a wrong secret and the credentials of a URL are not repeated in the error', () => {
    const urls = defineConfig({
      secret: schema.secret,
      url: setting(z.string().regex(/^wss:/, 'expected a wss URL'), { env: 'DEMO_URL', about: 'A URL.' }),
    });
    const env = { DEMO_SECRET: 'hunter2', DEMO_URL: 'nats://ann:hunter2@host' };
    const run = (): unknown => loadConfig(urls, env);
    expect(problemsOf(run)).toEqual([
      { name: 'DEMO_SECRET', expected: 'text of >= 32 characters', got: '[redacted]' },
      { name: 'DEMO_URL', expected: 'a wss URL', got: '"nats://[redacted]@host"' },
    ]);
    expect(run).toThrow(expect.not.objectContaining({ message: expect.stringContaining('hunter2') }));
  });

  test('names variables of ours that no setting reads', () => {
    const env = { DEMO_SECRET: SECRET, DEMO_PROT: '1', PATH: '/bin' };
    const problems = problemsOf(() => loadConfig(schema, env, { ownPrefix: 'DEMO_' }));
    expect(problems.map(({ name }) => name)).toEqual(['DEMO_PROT']);
  });

  test('checks across settings run on valid settings only', () => {
    const check = (config: ConfigOf<typeof schema>): ConfigProblem[] => [
      { name: 'DEMO_PORT', expected: `another port than ${config.port}`, got: 'that' },
    ];
    expect(problemsOf(() => loadConfig(schema, { DEMO_SECRET: SECRET }, { check }))).toHaveLength(1);
    expect(problemsOf(() => loadConfig(schema, {}, { check }))[0]?.name).toBe('DEMO_SECRET');
  });
});

describe('a secret in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  const path = join(folder, 'secret');
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is read from the file that the variable with _FILE behind it names', () => {
    writeFileSync(path, `${SECRET}\n`);
    expect(loadConfig(schema, { DEMO_SECRET_FILE: path }, { ownPrefix: 'DEMO_' }).secret).toBe(SECRET);
  });

  test('is checked as any other, and not repeated in the error', () => {
    writeFileSync(path, 'hunter2');
    expect(problemsOf(() => loadConfig(schema, { DEMO_SECRET_FILE: path }))).toEqual([
      { name: 'DEMO_SECRET', expected: 'text of >= 32 characters', got: '[redacted]' },
    ]);
  });

  test('that cannot be read, or is given twice, is a problem', () => {
    const absent = join(folder, 'absent');
    expect(problemsOf(() => loadConfig(schema, { DEMO_SECRET_FILE: absent, DEMO_PORT: 'x' }))).toEqual([
      { name: 'DEMO_PORT', expected: 'integer 0..65535', got: '"x"' },
      { name: 'DEMO_SECRET_FILE', expected: 'a file that can be read', got: 'ENOENT' },
    ]);
    writeFileSync(path, SECRET);
    expect(problemsOf(() => loadConfig(schema, { DEMO_SECRET: SECRET, DEMO_SECRET_FILE: path }))).toEqual([
      { name: 'DEMO_SECRET_FILE', expected: 'no DEMO_SECRET beside it', got: 'both' },
    ]);
  });

  test('is for secrets, and for what says that it may be one', () => {
    const env = { DEMO_SECRET: SECRET, DEMO_PORT_FILE: path };
    expect(problemsOf(() => loadConfig(schema, env, { ownPrefix: 'DEMO_' }))).toMatchObject([
      { name: 'DEMO_PORT_FILE' },
    ]);
    const key = { key: setting(z.string(), { env: 'DEMO_KEY', about: 'A key.', fromFile: true }) };
    writeFileSync(path, 'first\nsecond\n');
    expect(loadConfig(key, { DEMO_KEY_FILE: path })).toEqual({ key: 'first\nsecond' });
  });
});

describe('declaring settings', () => {
  test('two settings cannot read one variable', () => {
    expect(() => defineConfig({ a: schema.port, b: schema.port })).toThrow(TypeError);
  });

  test('a name that is not UPPER_SNAKE_CASE or a missing description is a programmer error', () => {
    expect(() => setting(z.string(), { env: 'demoPort', about: 'x' })).toThrow(TypeError);
    expect(() => setting(z.string(), { env: 'DEMO_PORT', about: ' ' })).toThrow(TypeError);
  });
});

test('describeConfig gives the rows of a settings table', () => {
  const rows = describeConfig(schema);
  expect(rows.map((row) => [row.env, row.values, row.default])).toEqual([
    ['DEMO_PORT', 'integer 0..65535', '8080'],
    ['DEMO_SECRET', 'text of >= 32 characters', 'required'],
    ['DEMO_NATS', 'comma-separated list', 'nats://127.0.0.1:4222'],
    ['DEMO_PROFILE', 'r1 | r3', 'r1'],
    ['DEMO_VERBOSE', 'true or false', 'false'],
    ['DEMO_LINGER_MS', 'integer 0..60000', ''],
  ]);
  expect(rows[1]).toMatchObject({ name: 'secret', secret: true, about: 'Key of the tokens.' });
});

test('redactConfig hides secrets and the user part of URLs', () => {
  const config = loadConfig(schema, { DEMO_SECRET: SECRET, DEMO_NATS: 'nats://t0ken@a:1,nats://ann:pw@b:2' });
  const redacted = redactConfig(schema, config);
  expect(redacted).toMatchObject({
    port: 8080,
    secret: '[redacted]',
    natsUrls: ['nats://[redacted]@a:1', 'nats://[redacted]@b:2'],
  });
});
