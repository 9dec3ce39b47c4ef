/** Frames of one key that are under way or wait; of all keys together twice as many. */
const MAX_FRAMES = 256;
/** What they may hold together, characters of their texts. */
const MAX_SIZE = 1024 * 1024;
const ALL_KEYS = 2;

/** A frame that must keep an order. */
export type Turn = {
  /** It comes after the turns before it that share a key. One without keys comes before every later turn. */
  readonly keys: readonly string[];
  /** characters held until it is done */
  readonly size: number;
  /** Called once, when nothing is before it; followed by {@link FrameQueues.done}. */
  readonly start: () => void;
};

type Entry = {
  readonly turn: Turn;
  /** turns without keys that must be done by then, since the first */
  readonly gates: number;
  isStarted: boolean;
};

/** The key of turns without keys. */
const GATE = '';

/**
 * The order of one connection's frames: a queue for each key, so that nobody waits for what he has nothing to do
 * with. Bounds what is under way and what waits.
 */
export class FrameQueues {
  readonly #queues = new Map<string, Queue>();
  /** entries of all queues, each once */
  readonly #load = new Load();
  #gatesDone = 0;

  /** Queues that are not empty. */
  get size(): number {
    return this.#queues.size;
  }

  /** Starts the turn, now or in its turn. @returns false when too many wait, and it was not taken */
  add(turn: Turn): boolean {
    const keys = keysOf(turn);
    const takes = (key: string): boolean => this.#queues.get(key)?.takes(turn.size) ?? true;
    if (!this.#load.takes(turn.size, ALL_KEYS) || !keys.every(takes)) return false;
    const gates = this.#gatesDone + (this.#queues.get(GATE)?.count ?? 0);
    const entry: Entry = { turn, gates, isStarted: false };
    this.#load.add(turn.size);
    for (const key of keys) {
      const queue = this.#queues.get(key) ?? new Queue();
      this.#queues.set(key, queue);
      queue.push(entry);
    }
    this.#startIfFirst(entry);
    return true;
  }

  /** A turn that was started is over: starts what waited for it alone. */
  done(turn: Turn): void {
    const keys = keysOf(turn);
    // After `close` there is nothing left to go on with.
    if (keys.some((key) => this.#queues.get(key)?.first?.turn !== turn)) return;
    this.#load.remove(turn.size);
    for (const key of keys) this.#leave(key);
    if (keys.includes(GATE)) this.#gatesDone += 1;
    const released = keys.includes(GATE) ? [...this.#queues.keys()] : keys;
    for (const key of released) {
      const first = this.#queues.get(key)?.first;
      if (first !== undefined) this.#startIfFirst(first);
    }
  }

  /** Forgets all turns: what waits is never started. */
  close(): void {
    this.#queues.clear();
  }

  #leave(key: string): void {
    const queue = this.#queues.get(key);
    queue?.shift();
    if (queue?.count === 0) this.#queues.delete(key);
  }

  #startIfFirst(entry: Entry): void {
    const isFirst = keysOf(entry.turn).every((key) => this.#queues.get(key)?.first === entry);
    if (entry.isStarted || !isFirst || entry.gates > this.#gatesDone) return;
    entry.isStarted = true;
    entry.turn.start();
  }
}

/** How many turns there are, and how large. */
class Load {
  count = 0;
  size = 0;

  /** One alone is taken whatever its size: others bound that. @param times the bounds of one key */
  takes(size: number, times = 1): boolean {
    return this.count < MAX_FRAMES * times && (this.count === 0 || this.size + size <= MAX_SIZE * times);
  }

  add(size: number): void {
    this.count += 1;
    this.size += size;
  }

  remove(size: number): void {
    this.count -= 1;
    this.size -= size;
  }
}

/** The turns of one key. The first is under way, or waits for another key. */
class Queue extends Load {
  readonly #entries: Entry[] = [];

  get first(): Entry | undefined {
    return this.#entries[0];
  }

  push(entry: Entry): void {
    this.add(entry.turn.size);
    this.#entries.push(entry);
  }

  shift(): void {
    this.remove(this.#entries.shift()?.turn.size ?? 0);
  }
}

const keysOf = ({ keys }: Turn): readonly string[] => (keys.length === 0 ? [GATE] : keys);
