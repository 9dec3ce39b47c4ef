/** A document with parts to refer to, as OpenAPI and AsyncAPI both have them. */
export type ApiDocument = { readonly components?: { readonly schemas?: object } };

const REFERENCE = /"#\/components\/schemas\/([^"]+)"/g;

/** Names of the schemas that a part refers to. */
const namedIn = (part: unknown): string[] =>
  [...JSON.stringify(part).matchAll(REFERENCE)].map(([, name = '']) => name);

/** The document without the schemas that nothing in it refers to. */
export const withoutUnused = <Document extends ApiDocument>(document: Document): Document => {
  const { components = {}, ...rest } = document;
  const { schemas = {}, ...others } = components;
  const all = new Map(Object.entries(schemas));
  const used = new Set<string>();
  const wanted = namedIn([rest, others]);
  for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
    if (used.has(name)) continue;
    used.add(name);
    wanted.push(...namedIn(all.get(name) ?? null));
  }
  const kept = Object.fromEntries([...all].filter(([name]) => used.has(name)));
  return { ...document, components: { ...components, schemas: kept } };
};
