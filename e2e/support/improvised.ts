/** What a model answers to whom it does not know: a suite of tests that others wrote has words and schemas of its own. */
import type { MockFaults } from '@sluice/simulator';
import { calls, says } from './played-model.ts';
import type { Turn } from './played-model.ts';

type Schema = {
  readonly type?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly enum?: readonly unknown[];
};
type Tool = { readonly function: { readonly name: string; readonly parameters?: Schema } };
type Format = { readonly type?: string; readonly json_schema?: { readonly schema?: Schema } };

/** What LangChain's standard tests want a tool to be called with. */
const NUMBER = 3;
const TEXT = '你好 こんにちは "text"\n';

/** Anything that fits. */
const fitting = (schema: Schema): unknown => {
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.properties !== undefined)
    return Object.fromEntries(Object.entries(schema.properties).map(([name, each]) => [name, fitting(each)]));
  if (schema.type === 'integer' || schema.type === 'number') return NUMBER;
  return schema.type === 'array' ? [] : TEXT;
};

/** Calls the first tool there is, once; fits the schema that is asked for; else says a sentence. */
export const improvises = ({ request: { body }, messages }: Turn): MockFaults => {
  const [tool] = (body['tools'] ?? []) as readonly Tool[];
  if (tool !== undefined && messages.at(-1)?.role === 'user')
    return calls([tool.function.name, fitting(tool.function.parameters ?? { properties: {} }) as object]);
  const { type, json_schema } = (body['response_format'] ?? {}) as Format;
  if (type === 'json_schema') return says(JSON.stringify(fitting(json_schema?.schema ?? {})));
  if (type === 'json_object') return says(JSON.stringify({ setup: 'Why?', punchline: 'Because.' }));
  return says('It is what it is.');
};
