import { readSecretFile } from '@sluice/runtime';
import { z } from 'zod';
import { PROFILES } from './engines/openai/profile.ts';

const modelName = z.string().min(1).max(200);

const upstreamSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,23}$/, 'expected lower-case letters, digits and `-`, at most 24'),
  url: z.url({ protocol: /^https?$/, message: 'expected an http or https URL, up to and with /v1' }),
  key: z.string().min(1).optional(),
  keyFile: z.string().min(1).optional(),
  profile: z.enum(PROFILES).default('openai'),
  models: z.array(modelName).max(1_000).optional(),
  aliases: z.record(modelName, modelName).optional(),
  slots: z.int().min(1).max(10_000).optional(),
});

/** One of several servers of models, as `SLUICE_UPSTREAMS` describes it; the key of a file is read already. */
export type UpstreamSettings = Omit<z.output<typeof upstreamSchema>, 'keyFile'>;

const SHAPE =
  'a JSON list of objects with `name` and `url`, and as needed `key` or `keyFile`, `profile`, `models`, `aliases`, `slots`';

/** The list of `SLUICE_UPSTREAMS`. Its problems name the field and never its value, which may be a key. */
export const upstreamList = z
  .string()
  .transform((text, context): UpstreamSettings[] => {
    try {
      return upstreamsIn(JSON.parse(text));
    } catch (error) {
      const problem = error instanceof SyntaxError ? 'what is given is not JSON' : (error as Error).message;
      context.addIssue({ code: 'custom', message: `expected ${SHAPE}; ${problem}` });
      return z.NEVER;
    }
  })
  .meta({ title: 'JSON list' });

/** @throws Error that says what is wrong, by its place */
const upstreamsIn = (given: unknown): UpstreamSettings[] => {
  const parsed = z.array(upstreamSchema).min(1).max(32).safeParse(given);
  if (!parsed.success) {
    const texts = parsed.error.issues.map(({ path, message }) => `${placeOf(path)}: ${message}`);
    throw new Error(texts.join(', '));
  }
  const names = parsed.data.map(({ name }) => name);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new Error(`${repeated}: expected each name once`);
  return parsed.data.map(withKey);
};

const placeOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');

const withKey = ({ keyFile, ...upstream }: z.output<typeof upstreamSchema>): UpstreamSettings => {
  if (keyFile === undefined) return upstream;
  const place = `keyFile of ${upstream.name}`;
  if (upstream.key !== undefined) throw new Error(`${place}: expected no key beside it`);
  try {
    return { ...upstream, key: readSecretFile(keyFile) };
  } catch (error) {
    throw new Error(
      `${place}: expected a file that can be read, got ${(error as NodeJS.ErrnoException).code}`,
      {
        cause: error,
      },
    );
  }
};
