/** The entry for chats of the Vercel AI SDK: `useChat({ transport })`. Takes only types from the SDK. */
import { uiMessageIdOf, uiMessagesOf as messagesOf, uiPromptOf } from '@sluice/core';
import type { UiChunk, UiMessage } from '@sluice/core';
import { SluiceError } from '@sluice/protocol';
import type { Item, PromptBody } from '@sluice/protocol';
import type { ChatTransport, UIMessage, UIMessageChunk } from 'ai';
import type { Client } from './client.ts';
import { RequestError } from './errors.ts';
import type { Generation } from './generation/generation.ts';
import { newId } from './new-id.ts';

/**
 * What a prompt says besides its messages, and `system`, `tools`, `temperature` and the like as the SDK has them; the same
 * fields in the `body` of one request win. What the server does not know it refuses by its name.
 */
export type ChatOptions = Omit<PromptBody, 'input' | 'messages'> & { readonly [field: string]: unknown };

export type SluiceChatTransportOptions = {
  /** stays the application's: it is not closed here */
  readonly client: Client;
  /**
   * What it means that the SDK aborts, which it does at `stop()` and when a component unmounts. `detach`
   * (default): stop watching, the engine goes on. `cancel`: stop the engine, for everybody.
   */
  readonly onAbort?: 'detach' | 'cancel';
  readonly options?: ChatOptions;
};

type SendOptions<Message extends UIMessage> = Parameters<ChatTransport<Message>['sendMessages']>[0];
type ReconnectOptions = Parameters<ChatTransport<UIMessage>['reconnectToStream']>[0];

/**
 * Chats over a client's one connection; a chat is the session of the same id. A lost connection is not
 * seen by the SDK at all: the stream waits, and goes on where it was.
 */
export class SluiceChatTransport<Message extends UIMessage = UIMessage> implements ChatTransport<Message> {
  readonly resumeStreamIsReplay = true;
  readonly #client: Client;
  readonly #onAbort: 'detach' | 'cancel';
  readonly #options: ChatOptions;

  constructor({ client, onAbort = 'detach', options = {} }: SluiceChatTransportOptions) {
    this.#client = client;
    this.#onAbort = onAbort;
    this.#options = options;
  }

  /**
   * Asks; the same question again finds its answer.
   * @throws RequestError bad_frame for messages that no prompt can be made of; TypeError for a chat id that
   * cannot be a session's. What the server refuses fails the stream, with RequestError
   */
  async sendMessages(request: SendOptions<Message>): Promise<ReadableStream<UIMessageChunk>> {
    const { trigger, chatId, messages, abortSignal, body } = request;
    abortSignal?.throwIfAborted();
    const fields: ChatOptions = { ...this.#options, ...body };
    const asked = { trigger, messages: messages as readonly UiMessage[], fields, request: newId() };
    const { generation, messageId, body: prompt } = promptOf(asked);
    const answer = this.#client.session(chatId).prompt({ ...prompt, generation });
    return this.#streamOf(answer, messageId, abortSignal);
  }

  /** Follows the newest answer that is not done, from its start; null when nothing runs. */
  async reconnectToStream({
    chatId,
    abortSignal,
  }: ReconnectOptions): Promise<ReadableStream<UIMessageChunk> | null> {
    const running = [...(await this.#client.session(chatId).running())];
    const answer = running.pop();
    for (const older of running) older.detach();
    return answer === undefined ? null : this.#streamOf(answer, uiMessageIdOf(answer.id), abortSignal);
  }

  /**
   * Stops the engine of whatever runs in the chat, for everybody; the text so far stays. Resolves when the server
   * took it. @throws RequestError, ClosedError
   */
  async cancel(chatId: string): Promise<void> {
    const running = await this.#client.session(chatId).running();
    try {
      await Promise.all(running.map((answer) => answer.cancel()));
    } finally {
      for (const answer of running) answer.detach();
    }
  }

  #streamOf(
    answer: Generation,
    messageId: string,
    signal: AbortSignal | undefined,
  ): ReadableStream<UIMessageChunk> {
    const chunks = chunksOf(answer, messageId);
    let isOver = false;
    return new ReadableStream<UIMessageChunk>({
      start: (controller) => {
        const abort = (): void => {
          if (isOver) return;
          isOver = true;
          void this.#leave(answer);
          controller.close();
        };
        if (signal?.aborted === true) abort();
        else signal?.addEventListener('abort', abort, { once: true });
      },
      pull: async (controller) => {
        const { value, done } = await chunks.next();
        if (isOver) return;
        isOver = done === true;
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => {
        isOver = true;
        answer.detach();
      },
    });
  }

  async #leave(answer: Generation): Promise<void> {
    try {
      if (this.#onAbort === 'cancel') await answer.cancel();
    } catch {
      // The SDK has closed its stream, so there is nobody to tell; `cancel` tells.
    } finally {
      answer.detach();
    }
  }
}

/** What a session's items are in a chat: what a page that is loaded again begins with. */
export const uiMessagesOf = <Message extends UIMessage>(items: Iterable<Item>): Message[] =>
  messagesOf(
    [...items].sort((left, right) => left.createdAt - right.createdAt),
  ) as readonly UiMessage[] as Message[];

const promptOf = (asked: Parameters<typeof uiPromptOf>[0]): ReturnType<typeof uiPromptOf> => {
  try {
    return uiPromptOf(asked);
  } catch (error) {
    if (error instanceof SluiceError)
      throw new RequestError({ code: error.code, message: error.message, retryable: false });
    throw error;
  }
};

async function* chunksOf(answer: Generation, messageId: string): AsyncGenerator<UiChunk, undefined> {
  await answer.accepted;
  // While the model thinks, a page has time to load this.
  const { UiChunkWriter, UiPartsWriter } = await import('@sluice/core/parts');
  const writer = new UiPartsWriter(new UiChunkWriter(answer.id, messageId), answer.id);
  yield* writer.start();
  let epoch: number | undefined;
  try {
    for await (const delta of answer) {
      if (epoch !== undefined && delta.epoch !== epoch) yield* writer.reset();
      ({ epoch } = delta);
      yield* writer.delta(delta);
    }
  } catch {
    // Why there is no more to read is what the end says, or why there is none.
  }
  yield* writer.end(await answer.end);
  return undefined;
}
