import type { Token, Usage } from '@sluice/protocol';
import { createParser } from 'eventsource-parser';
import type { EventSourceMessage, ParseError } from 'eventsource-parser';
import type { EngineEnd, EngineError } from '@sluice/core';
import { tokensOfDelta, usageOf } from './delta.ts';
import { splitToken } from './token-split.ts';
import { fieldOf } from './fields.ts';
import { midStreamFailure, protocolFailure } from './upstream-failure.ts';

/** Characters parsed at a time: bounds how many parsed tokens can wait for the consumer. */
const SLICE = 2048;
/** Characters of one event; a server that sends more is not streaming. */
const MAX_EVENT = 1024 * 1024;

/**
 * Turns the bytes of a streamed chat completion into tokens. Knows neither socket nor clock. Parses only as
 * far as it is pulled: what waits is one slice's tokens.
 */
export class ChatStream {
  readonly #decoder = new TextDecoder();
  readonly #parser = createParser({
    maxBufferSize: MAX_EVENT,
    onEvent: (event) => this.#onEvent(event),
    onError: (error) => this.#onParseError(error),
  });
  #ready: Token[] = [];
  #failure: EngineError | undefined;
  #reason: EngineEnd['reason'] | undefined;
  #usage: Usage | undefined;
  #done = false;

  /** Whether `[DONE]` has been read: nothing of interest follows. */
  get done(): boolean {
    return this.#done;
  }

  /** Whether the finish reason is known, and with it the whole text. */
  get finished(): boolean {
    return this.#reason !== undefined;
  }

  /** The tokens in the next bytes, wherever the network has cut them. @throws EngineError */
  *tokens(bytes: Uint8Array): Generator<Token, void, void> {
    yield* this.#parse(this.#decoder.decode(bytes, { stream: true }));
  }

  /** The tokens of a last event that lacks its blank line. @throws EngineError */
  *rest(): Generator<Token, void, void> {
    if (!this.#done) yield* this.#parse(`${this.#decoder.decode()}\n\n`);
  }

  /** @throws EngineError upstream_protocol when the stream never said why it ended */
  end(): EngineEnd {
    if (this.#reason === undefined)
      throw protocolFailure('the upstream ended its stream without a finish reason');
    return { reason: this.#reason, ...(this.#usage === undefined ? {} : { usage: this.#usage }) };
  }

  *#parse(text: string): Generator<Token, void, void> {
    for (let start = 0; start < text.length && !this.#done; start += SLICE) {
      this.#parser.feed(text.slice(start, start + SLICE));
      const ready = this.#ready;
      this.#ready = [];
      yield* ready;
      // Thrown only now: tokens that came before a failure are part of the text.
      if (this.#failure !== undefined) throw this.#failure;
    }
  }

  #onEvent(event: EventSourceMessage): void {
    if (this.#failure !== undefined || this.#done) return;
    if (event.data === '[DONE]') {
      this.#done = true;
      return;
    }
    let chunk: unknown;
    try {
      chunk = JSON.parse(event.data);
    } catch {
      // Not even as the cause: the parser's message quotes the output.
      this.#failure = protocolFailure('the upstream sent an event that is not JSON');
      return;
    }
    const error = fieldOf(chunk, 'error') ?? (event.event === 'error' ? chunk : undefined);
    if (error !== undefined && error !== null) this.#failure = midStreamFailure(error);
    else this.#onChunk(chunk);
  }

  #onChunk(chunk: unknown): void {
    this.#usage = usageOf(fieldOf(chunk, 'usage')) ?? this.#usage;
    const choices = fieldOf(chunk, 'choices');
    const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
    for (const token of tokensOfDelta(fieldOf(choice, 'delta'))) this.#ready.push(...splitToken(token));
    const reason = fieldOf(choice, 'finish_reason');
    if (typeof reason !== 'string' || reason === '') return;
    if (BROKEN_OFF.has(reason)) this.#failure = midStreamFailure({ code: reason });
    else this.#reason = FINISH_REASONS.get(reason) ?? 'stop';
  }

  #onParseError(error: ParseError): void {
    if (error.type === 'max-buffer-size-exceeded')
      this.#failure ??= protocolFailure(`the upstream sent an event of more than ${MAX_EVENT} characters`);
    // Older llama.cpp servers write errors as a field of their own instead of as data.
    else if (error.field === 'error') this.#failure ??= midStreamFailure(jsonOf(error.value));
  }
}

/** Anything else that a server may invent is a normal end. */
const FINISH_REASONS: ReadonlyMap<string, EngineEnd['reason']> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['tool_calls', 'tool_calls'],
  ['function_call', 'tool_calls'],
  ['content_filter', 'content_filter'],
]);
/** The server gave up on the request by itself, for example because it is shutting down. */
const BROKEN_OFF: ReadonlySet<string> = new Set(['abort', 'error']);

const jsonOf = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
};
