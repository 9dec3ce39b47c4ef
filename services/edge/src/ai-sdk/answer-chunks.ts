import type { UiChunk, UiWriter } from '@sluice/core';
import { UiChunkWriter, uiErrorOf, UiPartsWriter } from '@sluice/core/parts';
import type { ServerFrame } from '@sluice/protocol';
import type { Answer } from './answer.ts';

/** What a frame says to the AI SDK. `isLast`: nothing follows. */
export type Told = { readonly chunks: readonly UiChunk[]; readonly isLast: boolean };

/** The frames of one generation, from its first token, as chunks of a UI message. */
export class AnswerChunks {
  readonly #writer: UiWriter;

  constructor({ key, messageId }: Answer) {
    this.#writer = new UiPartsWriter(new UiChunkWriter(key.generation, messageId), key.generation);
  }

  /** What comes before any frame. */
  start(): readonly UiChunk[] {
    return this.#writer.start();
  }

  /** Undefined: the frame says nothing to the SDK. */
  of(frame: ServerFrame): Told | undefined {
    switch (frame.type) {
      case 'delta':
        return { chunks: this.#writer.delta(frame), isLast: false };
      case 'reset':
        return { chunks: this.#writer.reset(), isLast: false };
      case 'end':
        return { chunks: this.#writer.end(frame), isLast: true };
      case 'error':
        return { chunks: uiErrorOf(frame), isLast: true };
      default:
        return undefined;
    }
  }
}
