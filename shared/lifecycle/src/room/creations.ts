/**
 * What is being created here, by its id. A repeat that comes meanwhile waits for what it repeats: otherwise it would take
 * room of its own for as long as it takes to find that out, and at a limit one of the two would be refused.
 */
export class Creations {
  /** by id, the newest of those that create under it */
  readonly #underWay = new Map<string, Promise<unknown>>();

  /** Creates when nobody else does so under this id. @param create is told whether somebody did: it may be there by now */
  async run<Result>(id: string, create: (isAfterAnother: boolean) => Promise<Result>): Promise<Result> {
    const before = this.#underWay.get(id);
    const creating = before === undefined ? create(false) : after(before, () => create(true));
    this.#underWay.set(id, creating);
    try {
      return await creating;
    } finally {
      if (this.#underWay.get(id) === creating) this.#underWay.delete(id);
    }
  }
}

/** Whoever began the one before is told of its failure. */
const after = async <Result>(before: Promise<unknown>, next: () => Promise<Result>): Promise<Result> => {
  await before.catch(() => undefined);
  return next();
};
