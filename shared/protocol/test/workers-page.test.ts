/** What docs/WORKERS.md shows is what the schemas take: field by field, and nothing more. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { z } from 'zod';
import { parseRecord } from '../src/index.ts';
import { promptEntrySchema, storedPromptSchema } from '../src/schema.ts';
import * as workerSchemas from '../src/schema/worker-schema.ts';

const page = readFileSync(new URL('../../../docs/WORKERS.md', import.meta.url), 'utf8');
const schemas: Readonly<Record<string, z.ZodType>> = {
  ...workerSchemas,
  promptEntrySchema,
  storedPromptSchema,
};

/** Each block of JSON with the schema that the comment before it names. */
const examples = [...page.matchAll(/(?:<!-- example: (\w+) -->\n\n)?```json\n(.+?)\n```/gs)].map(
  ([, name = 'none', json = '']) => ({
    name,
    json,
    line: page.slice(0, page.indexOf(json)).split('\n').length,
  }),
);

describe('docs/WORKERS.md', () => {
  test.each(examples)('line $line is a whole $name', ({ name, json }) => {
    const value: unknown = JSON.parse(json);
    // A field that the schema does not know would be missing from what it returns.
    expect(schemas[name]?.parse(value)).toEqual(value);
    if (name === 'tokenRecordSchema') expect(parseRecord(json)).toEqual(value);
  });

  test('shows an example for every schema', () => {
    const shown = new Set(examples.map(({ name }) => name));
    expect(Object.keys(schemas).filter((name) => !shown.has(name))).toEqual([]);
  });

  test('an example with a wrong, a missing or a foreign field would be noticed', () => {
    const beat = { worker: 'w', running: [] };
    const takes = (value: unknown): boolean => {
      const { data } = workerSchemas.workerBeatSchema.safeParse(value);
      return JSON.stringify(data) === JSON.stringify(value);
    };
    const wrong = [{ ...beat, worker: 'a.b' }, { worker: 'w' }, { ...beat, load: 1 }];
    expect([beat, ...wrong].map(takes)).toEqual([true, false, false, false]);
  });
});
