import { MAX_GENERATION_BYTES } from '@sluice/protocol';
import type { Token, Usage } from '@sluice/protocol';
import { createParser } from 'eventsource-parser';
import type { EventSourceMessage, ParseError } from 'eventsource-parser';
import type { EngineEnd, EngineError } from '@sluice/core';
import { Deltas, usageOf } from './delta.ts';
import { splitToken } from './token-split.ts';
import { fieldOf } from './fields.ts';
import { midStreamFailure, parsedOf, protocolFailure } from './upstream-failure.ts';
import type { UpstreamMessages } from './upstream-words.ts';

/** Characters parsed at a time: bounds how many parsed tokens can wait for the consumer. */
const SLICE = 2048;
/** Characters of one event: a picture as large as an answer may be. A server that sends more is not streaming. */
const MAX_EVENT = MAX_GENERATION_BYTES + 1024 * 1024;

/**
 * Turns the bytes of a streamed chat completion into tokens. Knows neither socket nor clock. Parses only as
 * far as it is pulled: what waits is one slice's tokens.
 */
export class ChatStream {
  readonly #messages: UpstreamMessages | undefined;
  readonly #decoder = new TextDecoder();
  readonly #parser = createParser({
    maxBufferSize: MAX_EVENT,
    onEvent: (event) => this.#onEvent(event),
    onError: (error) => this.#onParseError(error),
  });
  readonly #deltas = new Deltas();
  #ready: Token[] = [];
  #hasTokens = false;
  #events = 0;
  #failure: EngineError | undefined;
  #reason: EngineEnd['reason'] | undefined;
  #usage: Usage | undefined;
  #done = false;

  /** @param messages whether a failure tells the server's own words */
  constructor(messages?: UpstreamMessages) {
    this.#messages = messages;
  }

  /** Whether `[DONE]` has been read: nothing of interest follows. */
  get done(): boolean {
    return this.#done;
  }

  /** Events until now. Comments are none: they keep a connection alive, and say nothing of the answer. */
  get events(): number {
    return this.#events;
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

  /** An answer in one document, of a server that does not stream. @throws EngineError */
  *document(text: string): Generator<Token, void, void> {
    this.#onData(text, 'message');
    yield* this.#taken();
    this.#done = true;
  }

  /** @throws EngineError upstream_protocol when the stream broke off: it had neither a finish reason nor `[DONE]` */
  end(): EngineEnd {
    const reason = this.#reason ?? this.#impliedReason();
    if (reason === undefined) throw protocolFailure('the upstream ended its stream without a finish reason');
    return { reason, ...(this.#usage === undefined ? {} : { usage: this.#usage }) };
  }

  /** `[DONE]` after an answer says that it is whole. Without any token there was no answer. */
  #impliedReason(): EngineEnd['reason'] | undefined {
    if (!this.#done || !this.#hasTokens) return undefined;
    return this.#deltas.hasCalls ? 'tool_calls' : 'stop';
  }

  *#parse(text: string): Generator<Token, void, void> {
    for (let start = 0; start < text.length && !this.#done; start += SLICE) {
      this.#parser.feed(text.slice(start, start + SLICE));
      yield* this.#taken();
    }
  }

  *#taken(): Generator<Token, void, void> {
    const ready = this.#ready;
    this.#ready = [];
    yield* ready;
    // Thrown only now: tokens that came before a failure are part of the text.
    if (this.#failure !== undefined) throw this.#failure;
  }

  #onEvent(event: EventSourceMessage): void {
    if (this.#failure !== undefined || this.#done) return;
    this.#events += 1;
    if (event.data.trim() === '[DONE]') this.#onDone();
    else this.#onData(event.data, event.event);
  }

  #onData(data: string, event: string | undefined): void {
    let chunk: unknown;
    try {
      chunk = JSON.parse(data);
    } catch {
      // Not even as the cause: the parser's message quotes the output.
      this.#failure = protocolFailure('the upstream sent an event that is not JSON');
      return;
    }
    const error = fieldOf(chunk, 'error') ?? (event === 'error' ? chunk : undefined);
    if (error !== undefined && error !== null) this.#failure = midStreamFailure(error, this.#messages);
    else this.#onChunk(chunk);
  }

  #onChunk(chunk: unknown): void {
    this.#usage = usageOf(fieldOf(chunk, 'usage')) ?? this.#usage;
    const choices = fieldOf(chunk, 'choices');
    // One answer was asked for; what more a server sends is not told.
    const choice: unknown = Array.isArray(choices) ? choices.find(isFirst) : undefined;
    this.#push(this.#deltas.tokensOf(chunk, choice));
    const reason = fieldOf(choice, 'finish_reason');
    if (typeof reason !== 'string' || reason === '') return;
    this.#push(this.#deltas.rest());
    if (BROKEN_OFF.has(reason)) this.#failure = midStreamFailure({ code: reason });
    else this.#reason = FINISH_REASONS.get(reason) ?? 'stop';
  }

  #onDone(): void {
    this.#push(this.#deltas.rest());
    this.#done = true;
  }

  #push(tokens: readonly Token[]): void {
    for (const token of tokens) this.#ready.push(...splitToken(token));
    this.#hasTokens ||= tokens.length > 0;
  }

  #onParseError(error: ParseError): void {
    if (error.type === 'max-buffer-size-exceeded')
      this.#failure ??= protocolFailure(`the upstream sent an event of more than ${MAX_EVENT} characters`);
    // Older llama.cpp servers write errors as a field of their own instead of as data.
    else if (error.field === 'error')
      this.#failure ??= midStreamFailure(parsedOf(error.value ?? ''), this.#messages);
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

const isFirst = (choice: unknown): boolean => (fieldOf(choice, 'index') ?? 0) === 0;
