import { ANY_QUEUE } from '@sluice/bus';
import type { Bus, StoredItem } from '@sluice/bus';
import { adopt, finish, park, requeue, transcriptOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import type { End, GenerationKey, Position, Token } from '@sluice/protocol';
import { persist } from '@sluice/runtime';
import type { Clock } from '@sluice/runtime';

/** What an attempt leaves behind: the text so far and where it stands in the log. */
export type Ending = {
  readonly key: GenerationKey;
  readonly attempt: number;
  readonly at: Position;
  readonly tokens: readonly Token[];
};

/** The next item, or undefined where the one there is does not allow it. */
type Change = (item: StoredGeneration) => StoredGeneration | undefined;

/**
 * Writes the outcome of an attempt into the item, through outages, unless a newer attempt owns it.
 * Each resolves to whether the item now says so.
 */
export class Settlement {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;

  /** @param signal aborted when the worker gives up waiting for NATS at shutdown */
  constructor(bus: Bus, clock: Clock, signal: AbortSignal) {
    this.#bus = bus;
    this.#clock = clock;
    this.#signal = signal;
  }

  finish({ key, attempt, at, tokens }: Ending, end: End): Promise<boolean> {
    const transcript = transcriptOf(tokens);
    return this.#write(key, attempt, (item) => finish(item, end, at, transcript));
  }

  park({ key, attempt, at, tokens }: Ending): Promise<boolean> {
    const parking = { at, transcript: transcriptOf(tokens), now: this.#clock.now() };
    return this.#write(key, attempt, (item) => park(item, attempt, parking));
  }

  /** Hands the generation to another worker: its item is queued again and a job asks for it. */
  requeue(ending: Ending, model: string): Promise<boolean> {
    return this.#queue(ending, model, requeue);
  }

  /** As {@link requeue}, for an attempt that its engine died with: that counts against the generation. */
  recover(ending: Ending, model: string): Promise<boolean> {
    return this.#queue(ending, model, (item) => adopt(item, ending.at.seq));
  }

  async #queue({ key, attempt }: Ending, model: string, change: Change): Promise<boolean> {
    if (!(await this.#write(key, attempt, change))) return false;
    const job = { ...key, model, attempt: attempt + 1 };
    // To whoever is free: what this worker last heard of the others may be out of date, and nobody shall wait for that.
    await persist(() => this.#bus.jobs.publish(job, ANY_QUEUE), this.#clock, this.#signal);
    return true;
  }

  #write(key: GenerationKey, attempt: number, change: Change): Promise<boolean> {
    const once = async (): Promise<boolean> => {
      for (;;) {
        const stored: StoredItem | undefined = await this.#bus.sessions.item(key, key.generation);
        if (stored?.item.kind !== 'generation' || stored.item.attempt !== attempt) return false;
        const next = change(stored.item);
        if (next === undefined) return false;
        const rev = await this.#bus.sessions.updateItem(key, next, stored.rev);
        if (rev !== undefined) return true;
      }
    };
    return persist(once, this.#clock, this.#signal);
  }
}
