import type { ServerResponse } from 'node:http';
import { SluiceError } from '@sluice/protocol';

/** Requests below this are many and cheap, bytes. */
const LARGE_BYTES = 1024 * 1024;
/** A moment later there may be room, ms. */
const RETRY_AFTER_MS = 1_000;

/**
 * Bounds the large request bodies that are in memory at once: each is there several times over while it is parsed and
 * stored, and as long as its request waits for an answer.
 */
export class BodyRoom {
  readonly #size: number;
  readonly #taken = new Map<ServerResponse, number>();
  #used = 0;

  /** @param size bytes of all of them together; one that is alone is always taken */
  constructor(size: number) {
    this.#size = size;
  }

  /** @param bytes how large the body may become @throws SluiceError unavailable */
  enter(response: ServerResponse, bytes: number): void {
    if (bytes < LARGE_BYTES) return;
    if (this.#used > 0 && this.#used + bytes > this.#size)
      throw new SluiceError('unavailable', 'too many large requests at once', {
        retryAfterMs: RETRY_AFTER_MS,
      });
    this.#used += bytes;
    this.#taken.set(response, bytes);
    response.once('close', () => this.leave(response));
  }

  /** The body is needed no more. Idempotent. */
  leave(response: ServerResponse): void {
    this.#used -= this.#taken.get(response) ?? 0;
    this.#taken.delete(response);
  }
}
