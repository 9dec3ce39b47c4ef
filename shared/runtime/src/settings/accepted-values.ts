import { z } from 'zod';
import type { Setting } from './setting.ts';

// The part of JSON Schema that zod writes for what an environment variable can hold.
type JsonSchema = {
  readonly title?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: string | number | boolean;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly anyOf?: readonly JsonSchema[];
};

const rangeOf = ({ minimum, exclusiveMinimum, maximum }: JsonSchema): string => {
  const low = minimum ?? exclusiveMinimum;
  const hasLow = low !== undefined && low > Number.MIN_SAFE_INTEGER;
  const hasHigh = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  const above = exclusiveMinimum === undefined ? '>=' : '>';
  if (hasLow && hasHigh) return ` ${low}..${maximum}`;
  if (hasLow) return ` ${above} ${low}`;
  return hasHigh ? ` <= ${maximum}` : '';
};

const textOf = (schema: JsonSchema): string => {
  if (schema.format === 'uri') return 'URL';
  if (schema.minLength !== undefined) return `text of >= ${schema.minLength} characters`;
  return schema.pattern === undefined ? 'text' : `text matching ${schema.pattern}`;
};

const wordsOf = (schema: JsonSchema): string => {
  if (schema.title !== undefined) return schema.title;
  if (schema.enum) return schema.enum.join(' | ');
  if (schema.const !== undefined) return String(schema.const);
  if (schema.anyOf) return schema.anyOf.map(wordsOf).join(' | ');
  if (schema.type === 'integer' || schema.type === 'number') return `${schema.type}${rangeOf(schema)}`;
  return textOf(schema);
};

/** What a setting accepts, in words: `integer 0..65535`, `a | b`, `URL`. A schema's `meta({title})` wins. */
export const acceptedBy = ({ schema }: Setting): string =>
  wordsOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema);
