import type { ChatMessage, PromptParams, Token } from '@sluice/protocol';
import { textOf } from '@sluice/protocol';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { EngineEnd, EngineRequest } from '@sluice/core';
import type { SimulatedEngine } from '../engine/simulated-engine.ts';
import { locate } from '../engine/script.ts';
import { ChatChunks } from './chat-chunks.ts';
import type { MockFaults } from './faults.ts';
import type { MockRequest } from './mock-request.ts';
import type { Quirks } from './quirks.ts';

export type MockModel = {
  readonly engine: SimulatedEngine;
  readonly quirks: Quirks;
  readonly faults: MockFaults;
};

/** Answers one chat request with a stream, faults included. */
export const streamCompletion = async (
  request: MockRequest,
  response: ServerResponse,
  model: MockModel,
  number: number,
): Promise<void> => {
  const { engine, quirks, faults } = model;
  const asked = continuationIn(request.body, quirks, engine);
  const chunks = new ChatChunks(quirks, {
    model: String(request.body['model']),
    number,
    hasUsage: tellsUsage(request.body, quirks),
  });
  const send = (text: string): Promise<void> => request.write(text, faults.sliceBytes);
  const stop = stopSignal(request, quirks);
  const run = engine.generate(asked.request, stop);
  try {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
    });
    response.flushHeaders();
    // llama.cpp says nothing, not even the role, before it has read the prompt.
    if (quirks.stops !== 'after_prefill') await send(chunks.opening());
    for (;;) {
      const step = await run.next();
      if (step.done === true) {
        await send(chunks.ending(usageBeside(step.value, asked.request.prefix.length)));
        break;
      }
      const own = (request.tokensGenerated += 1);
      if (own === 1 && quirks.stops === 'after_prefill') await send(chunks.opening());
      if (own === faults.cutAtToken) return void response.socket?.resetAndDestroy();
      if (own === faults.endAtToken) return void response.end();
      if (own === faults.hangAtToken) return await gone(request);
      if (own === faults.errorAtToken) return void response.end(chunks.error());
      await send(chunks.token(own === 1 ? remainder(step.value, asked.into) : step.value));
      if (!request.gone.aborted) request.tokensSent += 1;
    }
    response.end(faults.withoutDone === true ? '' : 'data: [DONE]\n\n');
  } finally {
    request.stopped();
    await run.return({ reason: 'stop' });
  }
};

const tellsUsage = (body: Readonly<Record<string, unknown>>, { alwaysTellsUsage }: Quirks): boolean => {
  const options = body['stream_options'] as { readonly include_usage?: unknown } | undefined;
  return alwaysTellsUsage || options?.include_usage === true;
};

/** Resolves once the client has hung up. */
export const gone = async (request: MockRequest): Promise<void> => {
  if (request.gone.aborted) return;
  await new Promise<void>((resolve) => request.gone.addEventListener('abort', () => resolve()));
};

/** Aborted when this server's model would notice that its client has hung up. */
const stopSignal = (request: MockRequest, quirks: Quirks): AbortSignal => {
  if (quirks.stops === 'at_once') return request.gone;
  const late = new AbortController();
  const stop = (): void => late.abort();
  const { stops } = quirks;
  request.gone.addEventListener('abort', () => {
    if (stops === 'after_prefill') void prefilled(request).then(stop);
    else void delay(stops.lateMs, undefined, { ref: false }).then(stop);
  });
  return late.signal;
};

const PREFILL_POLL_MS = 5;

const prefilled = async (request: MockRequest): Promise<void> => {
  while (request.tokensGenerated === 0 && request.stoppedAt === undefined)
    await delay(PREFILL_POLL_MS, undefined, { ref: false });
};

type Asked = {
  readonly request: EngineRequest;
  /** characters of the first token that the continued text holds already */
  readonly into: number;
};

/** A request in the engine's terms: if it continues a text, from the token where that text leaves off. */
const continuationIn = (
  body: Readonly<Record<string, unknown>>,
  quirks: Quirks,
  engine: SimulatedEngine,
): Asked => {
  const { messages: all, model, ...rest } = body;
  const messages = all as readonly ChatMessage[];
  const params = rest as PromptParams;
  const last = messages.at(-1);
  const isAsked =
    quirks.continuation === 'always' ||
    (quirks.continuation === 'flag' && body['continue_final_message'] === true);
  const base = { generation: 'mock', model: String(model), params, messages, prefix: [] };
  if (!isAsked || last?.role !== 'assistant' || typeof last.content !== 'string')
    return { request: base, into: 0 };
  const { max_tokens: more, ...unbounded } = params;
  const conversation = { messages: messages.slice(0, -1), params: unbounded };
  const script = engine.script(conversation);
  const { tokens, into } = locate(script, last.content);
  const prefix = Array.from({ length: tokens }, (_, index) => script.tokenAt(index + 1));
  const bound = more === undefined ? {} : { max_tokens: more + tokens };
  return { request: { ...base, ...conversation, params: { ...unbounded, ...bound }, prefix }, into };
};

const remainder = (token: Token, into: number): Token =>
  typeof token === 'string' ? textOf(token).slice(into) : token;

/** A server counts what it continues as prompt. */
const usageBeside = (end: EngineEnd, prefix: number): EngineEnd => ({
  ...end,
  usage: {
    ...end.usage,
    prompt_tokens: (end.usage?.prompt_tokens ?? 0) + prefix,
    completion_tokens: (end.usage?.completion_tokens ?? 0) - prefix,
  },
});
