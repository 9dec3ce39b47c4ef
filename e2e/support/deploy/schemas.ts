import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { z } from 'zod';
import { nameOf } from './tools.ts';
import type { Manifest } from './tools.ts';

type Schema = Record<string, unknown>;

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A number or a text: the documents call it a text of a format of its own. */
const EITHER: Schema = { type: ['string', 'integer', 'number'] };

/** As a server with strict field validation: a field that is not described is a fault, hence a typing error is one. */
const strict = (node: unknown): unknown => {
  if (Array.isArray(node)) return node.map(strict);
  if (!isSchema(node)) return node;
  if (node['x-kubernetes-int-or-string'] === true || node['format'] === 'int-or-string') return EITHER;
  const entries = Object.entries(node).map(([key, value]) => [key, strict(value)] as const);
  const result: Schema = Object.fromEntries(entries);
  const isOpen =
    node['additionalProperties'] !== undefined || node['x-kubernetes-preserve-unknown-fields'] === true;
  return isSchema(node['properties']) && !isOpen ? { ...result, additionalProperties: false } : result;
};

const gvk = z.object({ group: z.string(), version: z.string(), kind: z.string() });
const swagger = z.object({ definitions: z.record(z.string(), z.record(z.string(), z.unknown())) });
const crd = z.object({
  spec: z.object({
    group: z.string(),
    names: z.object({ kind: z.string() }),
    versions: z.array(
      z.object({
        name: z.string(),
        schema: z.object({ openAPIV3Schema: z.record(z.string(), z.unknown()) }),
      }),
    ),
  }),
});

const newAjv = (): Ajv => addFormats.default(new Ajv({ strict: false, allErrors: true }));

type Check = (manifest: Manifest) => readonly string[];

/** @returns what is wrong with a manifest; undefined for a kind that these documents do not describe */
export type Validator = (manifest: Manifest) => readonly string[] | undefined;

const keyOf = (group: string, version: string, kind: string): string =>
  `${group === '' ? version : `${group}/${version}`} ${kind}`;

const checkBy = (ajv: Ajv, schema: Schema): Check => {
  const check = ajv.compile(schema);
  return (manifest) =>
    check(manifest)
      ? []
      : (check.errors ?? []).map(
          ({ instancePath, message, params }) =>
            `${nameOf(manifest)}: ${instancePath} ${message ?? ''} ${JSON.stringify(params)}`,
        );
};

/** By the document that a version of Kubernetes publishes of its API. */
export const kubernetesValidator = (document: unknown): Validator => {
  const { definitions } = swagger.parse(document);
  const ajv = newAjv();
  const quantity = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
  ajv.addSchema({
    $id: 'kubernetes',
    definitions: {
      ...Object.fromEntries(Object.entries(definitions).map(([k, v]) => [k, strict(v)])),
      [quantity]: EITHER,
    },
  });
  const names = new Map(
    Object.entries(definitions).flatMap(([name, { 'x-kubernetes-group-version-kind': kinds }]) => {
      const parsed = z.array(gvk).safeParse(kinds);
      return (parsed.data ?? []).map(
        ({ group, version, kind }) => [keyOf(group, version, kind), name] as const,
      );
    }),
  );
  const checks = new Map<string, Check>();
  return (manifest) => {
    const name = names.get(`${manifest.apiVersion} ${manifest.kind}`);
    if (name === undefined) return undefined;
    const check = checks.get(name) ?? checkBy(ajv, { $ref: `kubernetes#/definitions/${name}` });
    checks.set(name, check);
    return check(manifest);
  };
};

/** By the definitions of custom resources. */
export const customValidator = (documents: readonly unknown[]): Validator => {
  const ajv = newAjv();
  const checks = new Map(
    documents.flatMap((document) => {
      const { group, names, versions } = crd.parse(document).spec;
      return versions.map(({ name, schema }) => {
        const rules = strict(schema.openAPIV3Schema);
        if (!isSchema(rules)) throw new TypeError(`expected a schema of ${names.kind}`);
        return [keyOf(group, name, names.kind), checkBy(ajv, rules)] as const;
      });
    }),
  );
  return (manifest) => checks.get(`${manifest.apiVersion} ${manifest.kind}`)?.(manifest);
};
