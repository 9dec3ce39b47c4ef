type Turn = { readonly id: string; readonly pending: (() => void)[]; isOver: boolean; hasSpoken: boolean };

/** A speaker that is silent for this long gives the turn to the next one, ms. */
const PATIENCE_MS = 1_000;

/**
 * Lets several texts that grow at once be read by a person: one is shown as it comes, the others are held back
 * until it ends or falls silent. What is held back is bounded by what a session holds.
 */
export class Turns {
  readonly #onResume: (id: string) => void;
  #turns: Turn[] = [];
  #spokeAt = 0;
  #last: string | undefined;

  /** @param onResume called before a text goes on that was interrupted by another */
  constructor(onResume: (id: string) => void) {
    this.#onResume = onResume;
  }

  /** @param now ms of any clock that only goes forward */
  say(id: string, now: number, show: () => void): void {
    let turn = this.#turns.find((each) => each.id === id);
    if (turn === undefined) {
      turn = { id, pending: [], isOver: false, hasSpoken: false };
      this.#turns.push(turn);
    }
    turn.pending.push(show);
    this.#advance(id, now);
  }

  /** Nothing more comes from this one. */
  end(id: string, now: number): void {
    const turn = this.#turns.find((each) => each.id === id);
    if (turn === undefined) return;
    turn.isOver = true;
    this.#advance(id, now);
  }

  #advance(from: string, now: number): void {
    const [first, ...others] = this.#turns;
    if (first !== undefined && first.id !== from && now - this.#spokeAt > PATIENCE_MS) {
      // Both are on the screen in part from now on.
      this.#turns = [...others, first];
    }
    for (let turn = this.#turns[0]; turn !== undefined; turn = this.#turns[0]) {
      this.#speak(turn, now);
      if (!turn.isOver) return;
      this.#turns.shift();
    }
  }

  #speak(turn: Turn, now: number): void {
    if (turn.pending.length === 0) return;
    if (turn.hasSpoken && this.#last !== turn.id) this.#onResume(turn.id);
    turn.hasSpoken = true;
    this.#last = turn.id;
    this.#spokeAt = now;
    for (const show of turn.pending.splice(0)) show();
  }
}
