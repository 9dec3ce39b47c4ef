export type ModelNamesOptions = {
  /** which of the server's models to offer, `*` for any text; default all */
  readonly models?: readonly string[] | undefined;
  /** further names to offer, each with the server's own name of the model */
  readonly aliases?: Readonly<Record<string, string>> | undefined;
};

/** What the models of one server are called here. */
export class ModelNames {
  readonly #patterns: readonly RegExp[] | undefined;
  readonly #aliases: ReadonlyMap<string, string>;
  /** names that are to be offered although the server does not list its models */
  readonly known: readonly string[];

  constructor({ models, aliases = {} }: ModelNamesOptions = {}) {
    this.#patterns = models?.map(patternOf);
    this.#aliases = new Map(Object.entries(aliases));
    this.known = [
      ...new Set([...(models ?? []).filter((name) => !name.includes('*')), ...this.#aliases.keys()]),
    ];
  }

  /** What to offer of what the server lists. */
  offered(listed: readonly string[]): readonly string[] {
    const there = new Set(listed);
    const patterns = this.#patterns;
    const own = listed.filter((name) => patterns?.some((pattern) => pattern.test(name)) !== false);
    const aliased = [...this.#aliases].filter(([, name]) => there.has(name)).map(([alias]) => alias);
    return [...new Set([...own, ...aliased])];
  }

  /** The server's name of a model. */
  upstreamName(model: string): string {
    return this.#aliases.get(model) ?? model;
  }
}

const patternOf = (text: string): RegExp => new RegExp(`^${text.split('*').map(literal).join('.*')}$`, 's');

const literal = (text: string): string => text.replaceAll(/[\\^$.|?+()[\]{}]/g, '\\$&');
