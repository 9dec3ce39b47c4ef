import type { ChatMessage } from '@sluice/protocol';

/**
 * What items say, kept once for all conversations that hold it: prompts of one session continue the same texts, and a
 * worker may run many of them at once. Nothing is kept that no conversation holds any more.
 */
export class SharedMessages {
  readonly #known = new Map<string, readonly WeakRef<ChatMessage>[]>();
  readonly #gone = new FinalizationRegistry<string>((path) => {
    if (this.#alive(path) === undefined) this.#known.delete(path);
  });

  get size(): number {
    return this.#known.size;
  }

  /** @returns the same messages, perhaps as another conversation has them already */
  share(path: string, messages: readonly ChatMessage[]): readonly ChatMessage[] {
    const known = this.#alive(path);
    if (known?.length === messages.length && messages.every((each, at) => isSame(each, known[at])))
      return known;
    this.#known.set(
      path,
      messages.map((message) => new WeakRef(message)),
    );
    for (const message of messages) this.#gone.register(message, path);
    return messages;
  }

  #alive(path: string): readonly ChatMessage[] | undefined {
    const known = this.#known.get(path)?.flatMap((message) => message.deref() ?? []);
    return known?.length === this.#known.get(path)?.length ? known : undefined;
  }
}

const isSame = (one: ChatMessage, other: ChatMessage | undefined): boolean =>
  one.role === other?.role && one.content === other.content;
