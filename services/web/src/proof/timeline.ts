export type Happening = {
  readonly id: number;
  /** ms since the Unix epoch */
  readonly at: number;
  readonly tone: 'plain' | 'good' | 'busy' | 'bad' | 'yours';
  readonly text: string;
};

/** Older ones are forgotten. */
const MAX_HAPPENINGS = 100;

/** What happened, newest first. */
export class Timeline {
  #happenings: readonly Happening[] = [];
  #count = 0;

  get happenings(): readonly Happening[] {
    return this.#happenings;
  }

  add(tone: Happening['tone'], text: string): void {
    this.#count += 1;
    const happening = { id: this.#count, at: Date.now(), tone, text };
    this.#happenings = [happening, ...this.#happenings.slice(0, MAX_HAPPENINGS - 1)];
  }
}
