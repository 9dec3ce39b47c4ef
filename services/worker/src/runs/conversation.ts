import { ReadBudget, readChain, tokensOf } from '@sluice/bus';
import type { Bus, History, PromptEntry } from '@sluice/bus';
import { latestTurns, transcriptOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { parseGenerationId } from '@sluice/protocol';
import type { ChatMessage, GenerationKey, SessionKey } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import { wholeCalls } from './whole-calls.ts';
import { isEnough, readOn, readPast, saidTo, trimmed, turnOf } from './past.ts';
import type { Past, Turn } from './past.ts';

/** Default of what is kept of a session's earlier turns, bytes of their JSON. */
export const CONVERSATION_BYTES = 4 * 1024 * 1024;

/** A page of items is some megabytes until it is sorted, so few conversations are read at once. */
const READS_AT_ONCE = 2;
/** Prompts of a session that come within this time share what was read for the first, ms. */
const RECENT_MS = 10_000;
/** So many sessions' turns are kept for that. */
const MAX_RECENT = 4;

/** They stand before everything else that is said. */
const INSTRUCTIONS: ReadonlySet<string> = new Set(['system', 'developer']);

/** The messages an engine gets. */
export type Conversation = {
  readonly messages: readonly ChatMessage[];
  /** items of the session that were left out, since the conversation would exceed its budget */
  readonly leftOut: number;
};

/** A generation, and the request that started it. */
export type Prompt = { readonly key: GenerationKey; readonly entry: PromptEntry };

type Recent = { readonly past: Past; readonly readAt: number };

type Options = {
  readonly bus: Bus;
  readonly clock: Pick<Clock, 'now'>;
  /** most of a session's earlier turns that are kept, bytes of their JSON; default 4 MiB */
  readonly maxBytes?: number | undefined;
};

/**
 * Reads the conversation that a prompt continues. It is frozen: what was final when the prompt came does not change any more,
 * so every attempt is asked the same. A prompt with `messages` uses those and nothing else, unless it says `history`.
 */
export class Conversations {
  readonly #options: Required<Options> & { readonly maxBytes: number };
  readonly #reads = new ReadBudget(READS_AT_ONCE);
  /** by session, least recently read first */
  readonly #recent = new Map<string, Promise<Recent | undefined>>();

  constructor({ bus, clock, maxBytes = CONVERSATION_BYTES }: Options) {
    this.#options = { bus, clock, maxBytes };
  }

  /** @throws BusUnavailableError */
  read(prompt: Prompt): Promise<Conversation> {
    const { messages, history } = prompt.entry.body;
    return messages === undefined || history !== undefined
      ? this.#reads.spend(1, () => this.#continued(prompt))
      : Promise.resolve({ messages, leftOut: 0 });
  }

  async #continued(prompt: Prompt): Promise<Conversation> {
    const { history, createdAt, body } = prompt.entry;
    // Entries of earlier versions say no more than when they were made.
    const counts = (turn: Turn): boolean =>
      history === undefined ? turn.createdAt <= createdAt : turn.rev <= history.rev;
    const past = await this.#past(prompt.key, counts);
    const late = history === undefined ? [] : await this.#lateTurns(prompt.key, past, history);
    const { turns, leftOut } = this.#fitting([...late, ...past.turns.filter(counts)]);
    const { messages: asked = [{ role: 'user', content: body.input ?? '' }] } = body;
    const begins = asked.findIndex(({ role }) => !INSTRUCTIONS.has(role));
    const told = latestTurns(turns.toReversed(), prompt.key.generation).flatMap((turn) =>
      saidTo(body.model, turn),
    );
    return {
      messages: [...asked.slice(0, begins), ...wholeCalls([...told, ...asked.slice(begins)])],
      leftOut: leftOut + past.older,
    };
  }

  async #past(key: GenerationKey, counts: (turn: Turn) => boolean): Promise<Past> {
    const path = `${key.org}.${key.session}`;
    const reading = this.#readAfter(this.#recent.get(path), key, counts);
    this.#recent.delete(path);
    this.#recent.set(
      path,
      reading.catch(() => undefined),
    );
    for (const [oldest] of this.#recent) if (this.#recent.size > MAX_RECENT) this.#recent.delete(oldest);
    return (await reading).past;
  }

  /** Reads on where a prompt of the same session has just read, or all that counts. */
  async #readAfter(
    before: Promise<Recent | undefined> | undefined,
    key: GenerationKey,
    counts: (turn: Turn) => boolean,
  ): Promise<Recent> {
    const { bus, clock, maxBytes } = this.#options;
    const reading = { bus, key, maxBytes };
    const recent = await before;
    if (recent !== undefined && clock.now() - recent.readAt < RECENT_MS) {
      const past = trimmed(await readOn(reading, recent.past), maxBytes);
      if (isEnough(past, counts, maxBytes)) return { ...recent, past };
    }
    const readAt = clock.now();
    return { past: await readPast(reading, counts), readAt };
  }

  /**
   * Turns of generations whose end was in the log when the prompt came, though their items did not say so yet: whoever
   * prompts may have seen it. Newest first, by their ends: that order too is the same in each attempt.
   */
  async #lateTurns(key: GenerationKey, { turns, open }: Past, history: History): Promise<Turn[]> {
    if (history.log === 0) return [];
    const told = turns.filter(({ isRun, rev }) => isRun && rev > history.rev);
    const untold = [...open.values()].filter(({ id, attempt }) => attempt > 0 && id !== key.generation);
    const found = await Promise.all(
      [...told, ...untold].map((each) => this.#lateTurn(key, each, history.log)),
    );
    return found
      .flatMap((late) => late ?? [])
      .toSorted((one, other) => other.endedAt - one.endedAt)
      .map(({ turn }) => turn);
  }

  /** @param each a turn of which the item tells, or an item that tells of none yet */
  async #lateTurn(
    session: SessionKey,
    each: Turn | StoredGeneration,
    upTo: number,
  ): Promise<{ readonly turn: Turn; readonly endedAt: number } | undefined> {
    const { tokens, sessions } = this.#options.bus;
    const key: GenerationKey = { ...session, generation: parseGenerationId(each.id) };
    const head = await tokens.head(key);
    if (head?.record.end === undefined || head.sequence > upTo) return undefined;
    if ('said' in each) return { turn: each, endedAt: head.sequence };
    const asked = await sessions.whole(key, each);
    if (asked?.kind !== 'generation') return undefined;
    const item = { ...asked, ...transcriptOf(tokensOf(await readChain(tokens, key, head, 0))) };
    const turn = await turnOf({ rev: 0, item }, session, this.#options.bus);
    return turn && { turn, endedAt: head.sequence };
  }

  /** Newest first, until the budget is used up. */
  #fitting(turns: readonly Turn[]): { readonly turns: Turn[]; readonly leftOut: number } {
    const { maxBytes } = this.#options;
    const fitting: Turn[] = [];
    let room = maxBytes;
    let tooLarge = 0;
    for (const [index, turn] of turns.entries()) {
      if (turn.bytes > maxBytes) tooLarge += 1;
      else if (turn.bytes > room) return { turns: fitting, leftOut: tooLarge + turns.length - index };
      else {
        room -= turn.bytes;
        fitting.push(turn);
      }
    }
    return { turns: fitting, leftOut: tooLarge };
  }
}
