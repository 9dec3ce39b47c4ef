import { ReadBudget, readChain, tokensOf } from '@sluice/bus';
import type { Bus, PromptEntry, StoredItem } from '@sluice/bus';
import { transcriptOf } from '@sluice/core';
import type { StoredGeneration } from '@sluice/core';
import { parseGenerationId } from '@sluice/protocol';
import type { ChatMessage, GenerationKey } from '@sluice/protocol';
import { SharedMessages } from './shared-messages.ts';

/** Default of what is kept of a session's earlier turns, bytes of their JSON. */
export const CONVERSATION_BYTES = 4 * 1024 * 1024;

/** A page of items is a megabyte or more once it is parsed, so few conversations are read at once. */
const READS_AT_ONCE = 2;

/** The messages an engine gets. */
export type Conversation = {
  readonly messages: readonly ChatMessage[];
  /** items of the session that were left out, since the conversation would exceed its budget */
  readonly leftOut: number;
};

/** A generation, and the request that started it. */
export type Prompt = { readonly key: GenerationKey; readonly entry: PromptEntry };

/** What an item adds to a conversation. */
type Turn = {
  readonly messages: readonly ChatMessage[];
  readonly bytes: number;
  /** where its end is in the log, if that was there before its item said so; 0 otherwise */
  readonly endedAt: number;
};

/**
 * Reads the conversation that a prompt continues. It is frozen: what was final when the prompt came does not change any more,
 * so every attempt is asked the same. A prompt with `messages` uses those and nothing else.
 */
export class Conversations {
  readonly #bus: Bus;
  readonly #maxBytes: number;
  readonly #reads = new ReadBudget(READS_AT_ONCE);
  readonly #shared = new SharedMessages();

  constructor(bus: Bus, maxBytes: number) {
    this.#bus = bus;
    this.#maxBytes = maxBytes;
  }

  /** @throws BusUnavailableError */
  read(prompt: Prompt): Promise<Conversation> {
    const { messages } = prompt.entry.body;
    return messages === undefined
      ? this.#reads.spend(1, () => this.#continued(prompt))
      : Promise.resolve({ messages, leftOut: 0 });
  }

  /** Newest turns first, until the budget is used up. A turn above all of it is passed over: no other would ever fit. */
  async #continued(prompt: Prompt): Promise<Conversation> {
    const turns: Turn[] = [];
    let [room, leftOut] = [this.#maxBytes, 0];
    reading: for await (const { items, older } of this.#bus.sessions.backward(prompt.key)) {
      const found = await Promise.all(items.map((stored) => this.#turnOf(stored, prompt)));
      for (const [index, turn] of found.entries()) {
        if (turn === undefined) continue;
        if (turn.bytes > this.#maxBytes) leftOut += 1;
        else if (turn.bytes > room) {
          leftOut += items.length - index + older;
          break reading;
        } else {
          room -= turn.bytes;
          turns.push(turn);
        }
      }
    }
    const asked: ChatMessage = { role: 'user', content: prompt.entry.body.input ?? '' };
    return { messages: [...inOrder(turns).flatMap(({ messages }) => messages), asked], leftOut };
  }

  /** What the item adds; undefined where it does not count: it is not final, or became so after the prompt. */
  async #turnOf(stored: StoredItem, { key, entry }: Prompt): Promise<Turn | undefined> {
    const { item, rev } = stored;
    const { history, createdAt } = entry;
    if (item.id === key.generation) return undefined;
    const isFinal = item.kind === 'message' || item.status === 'done';
    // Entries of earlier versions say no more than when they were made.
    const isEarlier = history === undefined ? item.createdAt <= createdAt : rev <= history.rev;
    if (isFinal && isEarlier) return this.#turn(key, item.id, saidIn(item), 0);
    if (item.kind === 'message' || history === undefined) return undefined;
    return this.#endedTurn({ ...key, generation: parseGenerationId(item.id) }, item, history.log);
  }

  /** The turn of a generation whose end was in the log when the prompt came, though its item did not say so yet. */
  async #endedTurn(key: GenerationKey, item: StoredGeneration, upTo: number): Promise<Turn | undefined> {
    const { tokens } = this.#bus;
    const head = await tokens.head(key);
    if (head?.record.end === undefined || head.sequence > upTo) return undefined;
    if (item.status === 'done') return this.#turn(key, item.id, saidIn(item), head.sequence);
    const { text } = transcriptOf(tokensOf(await readChain(tokens, key, head, 0)));
    return this.#turn(key, item.id, saidIn({ ...item, text }), head.sequence);
  }

  #turn(
    { org, session }: GenerationKey,
    id: string,
    said: readonly ChatMessage[],
    endedAt: number,
  ): Turn | undefined {
    if (said.length === 0) return undefined;
    const messages = this.#shared.share(`${org}.${session}.${id}`, said);
    return { messages, bytes: Buffer.byteLength(JSON.stringify(messages)), endedAt };
  }
}

/** The text of an item, as the engine gets it. */
const saidIn = (item: StoredItem['item']): readonly ChatMessage[] => {
  if (item.kind === 'message') return [{ role: 'user', content: item.text }];
  if (item.text === undefined || item.text === '') return [];
  return [
    { role: 'user', content: item.input },
    { role: 'assistant', content: item.text },
  ];
};

/** Oldest first, from newest first: by rev, then those whose item was late, by their ends. So it is in each attempt. */
const inOrder = (turns: readonly Turn[]): Turn[] =>
  turns.toReversed().toSorted((one, other) => one.endedAt - other.endedAt);
