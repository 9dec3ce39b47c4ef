import { z } from 'zod';

/** Up to so many entries the schema alone looks at them: even if all are bad, that is soon done. */
const FEW = 100;

type Many = z.ZodArray | z.ZodRecord;

/**
 * The same schema, for lists and records that anybody may send: entries are counted before any of them is looked at, and
 * where they are many, the first bad one is the last that is. Otherwise each bad entry of a million makes an issue.
 */
export const counted = <Schema extends Many>(most: number, schema: Schema): z.ZodPreprocess<Schema> =>
  z.preprocess((value, context) => {
    const size = sizeOf(value);
    const bad = size > most ? { path: [], message: `expected at most ${most} entries` } : undefined;
    const issue = bad ?? (size > FEW ? firstBad(schema, value) : undefined);
    if (issue === undefined) return value;
    context.addIssue({ code: 'custom', ...issue, path: [...issue.path] });
    return z.NEVER;
  }, schema);

/** 0 of what is neither: the schema refuses that itself. */
const sizeOf = (value: unknown): number => {
  if (Array.isArray(value)) return value.length;
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 0;
};

type Issue = { readonly path: readonly PropertyKey[]; readonly message: string };

const firstBad = (schema: Many, value: unknown): Issue | undefined => {
  if (schema instanceof z.ZodRecord) return firstBadOf(schema, value);
  if (!Array.isArray(value)) return undefined;
  for (const [index, entry] of value.entries()) {
    const issue = issueOf(schema.element, entry);
    if (issue !== undefined) return { ...issue, path: [index, ...issue.path] };
  }
  return undefined;
};

/** A key that is none is content of its sender's, so it is not named. */
const firstBadOf = ({ keyType, valueType }: z.ZodRecord, value: unknown): Issue | undefined => {
  for (const [key, entry] of Object.entries(Object(value) as object)) {
    if (issueOf(keyType, key) !== undefined) return { path: [], message: 'expected ids as keys' };
    const issue = issueOf(valueType, entry);
    if (issue !== undefined) return { ...issue, path: [key, ...issue.path] };
  }
  return undefined;
};

const issueOf = (schema: z.core.$ZodType, value: unknown): Issue | undefined =>
  z.safeParse(schema, value).error?.issues[0];
