import { z } from 'zod';

/** One knob of a service: its shape, the variable that sets it, and what it does. */
export type Setting<Schema extends z.ZodType = z.ZodType> = {
  readonly schema: Schema;
  readonly env: string;
  readonly about: string;
  readonly secret: boolean;
  /** whether `<env>_FILE` may name a file with the value instead */
  readonly fromFile: boolean;
};

export type SettingNotes = {
  /** name of the environment variable, e.g. `SLUICE_EDGE_PORT` */
  readonly env: string;
  /** one sentence for the operator, with the unit */
  readonly about: string;
  /** true: the value is never printed; default false */
  readonly secret?: boolean;
  /** true: may also come from the file that `<env>_FILE` names; default for secrets only */
  readonly fromFile?: boolean;
};

const ENV_PATTERN = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/;

/**
 * Declares a setting. The schema reads the variable's string, so numbers need `z.coerce` (or one of the shapes
 * below) and everything that is not required needs `.default(…)` or `.optional()`.
 * @throws TypeError when `env` is not UPPER_SNAKE_CASE or `about` is empty
 */
export const setting = <Schema extends z.ZodType>(schema: Schema, notes: SettingNotes): Setting<Schema> => {
  if (!ENV_PATTERN.test(notes.env))
    throw new TypeError(`setting: expected UPPER_SNAKE_CASE, got ${notes.env}`);
  if (notes.about.trim() === '')
    throw new TypeError(`setting ${notes.env}: expected a description, got none`);
  const { env, about, secret = false, fromFile = secret } = notes;
  return { schema, env, about, secret, fromFile };
};

// Shapes of environment values. `z.coerce.boolean()` takes "false" for true, hence flag().

/** an integer, by default of 0 or more */
export const count = (min = 0, max = Number.MAX_SAFE_INTEGER): z.ZodCoercedNumber =>
  z.coerce.number().int().min(min).max(max);

/** a TCP port; 0 lets the system choose */
export const port = (): z.ZodCoercedNumber => count(0, 65_535);

/** `true`/`false`, also `1`/`0`, `yes`/`no`, `on`/`off` */
export const flag = (): z.ZodType<boolean, string> => z.stringbool().meta({ title: 'true or false' });

const splitList = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** comma-separated values, without blanks around them and without empty ones */
export const list = (): z.ZodType<string[], string> =>
  z.string().transform(splitList).meta({ title: 'comma-separated list' });
