import type { OrgSettings } from '@sluice/protocol';
import { describeIssue, writtenOrgSettingsSchema } from '@sluice/protocol/schema';
import { CliError } from '../cli-error.ts';

type Tree = { readonly [name: string]: unknown };

/**
 * Settings after changes such as `quota.org.connections=10`; a field without a value is taken off.
 * @throws CliError naming the field that is unknown or has no such value
 */
export const changeSettings = (settings: OrgSettings, fields: readonly string[]): OrgSettings => {
  const changed = fields.reduce<Tree>(changeField, settings);
  const { success, data, error } = writtenOrgSettingsSchema.safeParse(changed);
  if (success) return data;
  throw new CliError(`${describeIssue(error.issues[0])}; \`sluice help org set\` lists the fields`);
};

const changeField = (settings: Tree, field: string): Tree => {
  const [, path, text] = /^([A-Za-z.]+)=(.*)$/s.exec(field) ?? [];
  if (path === undefined || text === undefined)
    throw new CliError(`expected <field>=<value>, got ${JSON.stringify(field)}`);
  return put(settings, path.split('.'), valueOf(path, text));
};

/** undefined: none */
const valueOf = (path: string, text: string): unknown => {
  if (text === '') return undefined;
  if (path === 'models') return text.split(',').map((name) => name.trim());
  return Number.isNaN(Number(text)) ? text : Number(text);
};

const put = (tree: Tree, [name = '', ...rest]: readonly string[], value: unknown): Tree => {
  const { [name]: old, ...others } = tree;
  const next = rest.length === 0 ? value : put(isTree(old) ? old : {}, rest, value);
  // A branch without anything on it goes with its last field.
  const isEmpty = next === undefined || (isTree(next) && Object.keys(next).length === 0);
  return isEmpty ? others : { ...others, [name]: next };
};

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
