import type { z } from 'zod';
import { acceptedBy } from './accepted-values.ts';
import { fileVariable, readSecretFile } from './secret-file.ts';
import type { Setting } from './setting.ts';

/** Every setting of a service, by the name the code uses. Parts spread theirs into the service's. */
export type ConfigSchema = Readonly<Record<string, Setting>>;

/** The validated object: each field has its schema's output type. */
export type ConfigOf<Schema extends ConfigSchema> = {
  readonly [Name in keyof Schema]: z.output<Schema[Name]['schema']>;
};

export type Environment = Readonly<Record<string, string | undefined>>;

export type ConfigProblem = {
  /** the variable, or the setting's name when a check across settings failed */
  readonly name: string;
  readonly expected: string;
  /** what was found; `[redacted]` for secrets, `nothing` when unset */
  readonly got: string;
};

/** Start-up configuration is wrong. Lists all problems at once, so that one restart can fix them all. */
export class ConfigError extends Error {
  readonly code = 'invalid_config';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const texts = problems.map(({ name, expected, got }) => `${name}: expected ${expected}, got ${got}`);
    super(`invalid configuration, ${problems.length} problem(s): ${texts.join('; ')}`);
    this.problems = problems;
  }
}

export type LoadOptions<Schema extends ConfigSchema> = {
  /** variables with this prefix that no setting reads are reported: most are typing errors */
  readonly ownPrefix?: string;
  /** rules of which variables there must be; runs in any case. An empty variable is an unset one */
  readonly checkSet?: (isSet: (env: string) => boolean) => readonly ConfigProblem[];
  /** rules across settings; runs only when each setting is valid by itself */
  readonly check?: (config: ConfigOf<Schema>) => readonly ConfigProblem[];
};

export const REDACTED = '[redacted]';

/** @throws TypeError when two settings read the same variable */
export const defineConfig = <Schema extends ConfigSchema>(schema: Schema): Schema => {
  const seen = new Set<string>();
  for (const env of Object.values(schema).flatMap(variablesOf)) {
    if (seen.has(env)) throw new TypeError(`defineConfig: expected distinct variables, got ${env} twice`);
    seen.add(env);
  }
  return schema;
};

const variablesOf = ({ env, fromFile }: Setting): string[] => (fromFile ? [env, fileVariable(env)] : [env]);

// An empty variable is an unset one: compose and Kubernetes pass `${X:-}` as "".
const variable = (env: Environment, name: string): string | undefined => {
  const raw = env[name];
  return raw === undefined || raw.trim() === '' ? undefined : raw;
};

/** Adds to `problems` where a file is named that cannot be read, or beside the value itself. */
const rawOf = (setting: Setting, env: Environment, problems: ConfigProblem[]): string | undefined => {
  const raw = variable(env, setting.env);
  const name = fileVariable(setting.env);
  const path = setting.fromFile ? variable(env, name) : undefined;
  if (path === undefined) return raw;
  if (raw !== undefined) problems.push({ name, expected: `no ${setting.env} beside it`, got: 'both' });
  try {
    return readSecretFile(path);
  } catch (error) {
    problems.push({
      name,
      expected: 'a file that can be read',
      got: (error as NodeJS.ErrnoException).code ?? 'none',
    });
    return undefined;
  }
};

const MAX_SHOWN_CHARS = 80;

const shown = (setting: Setting, raw: string | undefined): string => {
  if (raw === undefined) return 'nothing';
  if (setting.secret) return REDACTED;
  const safe = maskUrlPassword(raw);
  return JSON.stringify(safe.length > MAX_SHOWN_CHARS ? `${safe.slice(0, MAX_SHOWN_CHARS)}…` : safe);
};

// zod's own texts repeat what acceptedBy() says better; a schema author's text says more.
const expectedOf = (setting: Setting, issue: z.core.$ZodIssue | undefined): string => {
  const message = issue?.message ?? '';
  return message === '' || /^(Invalid|Too) /.test(message)
    ? acceptedBy(setting)
    : message.replace(/^expected /, '');
};

const unknownVariables = (schema: ConfigSchema, env: Environment, prefix: string): ConfigProblem[] => {
  const known = new Set(Object.values(schema).flatMap(variablesOf));
  return Object.keys(env)
    .filter((name) => name.startsWith(prefix) && !known.has(name))
    .map((name) => ({ name, expected: 'a known variable', got: 'a name that no setting reads' }));
};

/**
 * Reads and validates all settings.
 * @param env usually `process.env`
 * @throws ConfigError with every problem
 */
export const loadConfig = <Schema extends ConfigSchema>(
  schema: Schema,
  env: Environment,
  options: LoadOptions<Schema> = {},
): ConfigOf<Schema> => {
  const problems: ConfigProblem[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(schema)) {
    const before = problems.length;
    const raw = rawOf(setting, env, problems);
    const parsed = setting.schema.safeParse(raw);
    if (parsed.success) values[name] = parsed.data;
    else if (problems.length === before) {
      const expected = expectedOf(setting, parsed.error.issues[0]);
      problems.push({ name: setting.env, expected, got: shown(setting, raw) });
    }
  }
  const isSet = (name: string): boolean =>
    [name, fileVariable(name)].some((each) => variable(env, each) !== undefined);
  problems.push(...(options.checkSet?.(isSet) ?? []));
  if (options.ownPrefix !== undefined) problems.push(...unknownVariables(schema, env, options.ownPrefix));
  const config = values as ConfigOf<Schema>;
  if (problems.length === 0) problems.push(...(options.check?.(config) ?? []));
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
};

/** One line of the settings table in the operator's manual. */
export type ConfigRow = {
  readonly name: string;
  readonly env: string;
  /** accepted values in words */
  readonly values: string;
  /** as it would be written in the environment; `required` or empty (optional) when there is none */
  readonly default: string;
  readonly about: string;
  readonly secret: boolean;
  /** whether `<env>_FILE` may name a file with the value instead */
  readonly fromFile: boolean;
};

const defaultOf = ({ schema }: Setting): string => {
  const parsed = schema.safeParse(undefined);
  if (!parsed.success) return 'required';
  const value: unknown = parsed.data;
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
};

/** Rows in the order of declaration. */
export const describeConfig = (schema: ConfigSchema): ConfigRow[] =>
  Object.entries(schema).map(([name, setting]) => ({
    name,
    env: setting.env,
    values: acceptedBy(setting),
    default: defaultOf(setting),
    about: setting.about,
    secret: setting.secret,
    fromFile: setting.fromFile,
  }));

// `user:password@` may also come without a scheme; an address without either is no secret.
const URL_PASSWORD = /^(?:([a-z][a-z0-9+.-]*:\/\/)[^/@\s]*|[^/@\s:]+:[^/@\s]*)@/i;

/** `nats://ann:pw@host` -> `nats://[redacted]@host`: the whole user part, since tokens come without a password. */
const maskUrlPassword = (text: string): string =>
  text
    .split(',')
    .map((part) => part.trim().replace(URL_PASSWORD, `$1${REDACTED}@`))
    .join(',');

const maskValue = (value: unknown): unknown => {
  if (typeof value === 'string') return maskUrlPassword(value);
  return Array.isArray(value) ? value.map(maskValue) : value;
};

/** A copy that may be logged: secrets replaced, user parts of URLs masked. Unset secrets stay undefined. */
export const redactConfig = <Schema extends ConfigSchema>(
  schema: Schema,
  config: ConfigOf<Schema>,
): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(schema).map(([name, setting]) => {
      const value: unknown = config[name as keyof Schema];
      const masked = setting.secret && value !== undefined ? REDACTED : maskValue(value);
      return [name, masked];
    }),
  );
