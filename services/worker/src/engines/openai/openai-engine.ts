import type { Token, Usage } from '@sluice/protocol';
import { randomUUID } from 'node:crypto';
import { EnvHttpProxyAgent } from 'undici';
import { EngineError } from '@sluice/core';
import type { Engine, EngineEnd, EngineRequest, EngineRules, EngineRun } from '@sluice/core';
import { ChatStream } from './chat-stream.ts';
import { ContinuedText } from './continued-text.ts';
import { canContinueFrom, factsOf } from './profile.ts';
import type { Profile } from './profile.ts';
import { Manners } from './manners.ts';
import { ModelNames } from './model-names.ts';
import { Patience } from './patience.ts';
import { requestBody } from './request-body.ts';
import type { RequestBody } from './manners.ts';
import { askerHeaders } from './asker-headers.ts';
import { UpstreamAddress } from './upstream-address.ts';
import { UpstreamCall } from './upstream-call.ts';
import { fieldOf } from './fields.ts';
import { parsedOf, protocolFailure, statusFailure } from './upstream-failure.ts';
import { wordsOf } from './upstream-words.ts';
import type { UpstreamMessages } from './upstream-words.ts';

export type OpenAiOptions = {
  /** base URL of the interface, for example `http://127.0.0.1:8000/v1` */
  readonly upstream: string;
  /** sent in the header that its profile names, and nowhere else */
  readonly apiKey?: string;
  /** which of its models are offered, and by which names; default: all, by its own */
  readonly names?: ModelNames;
  /** whether users are told the server's own messages of failures. Default `show` */
  readonly messages?: UpstreamMessages;
  /** default `openai`, the one that assumes least */
  readonly profile?: Profile;
  /** what it may be asked. Default the usual parameters, files at any public host */
  readonly rules?: EngineRules;
  /** whether the server is told who asks: org, user, session and generation. Default true */
  readonly tellsAsker?: boolean;
  /** ms until the first event of an answer, queueing and prefill included. Default 600,000 */
  readonly firstByteTimeoutMs?: number;
  /** ms between two events. Default 300,000 */
  readonly idleTimeoutMs?: number;
  /** ms that a run waits in all for a server that refuses for the moment (429, 503). Default 30,000; 0: it fails at once */
  readonly patienceMs?: number;
};

const DEFAULT_RULES: EngineRules = { params: [], urlHosts: [] };
const DEFAULT_FIRST_BYTE_TIMEOUT_MS = 10 * 60_000;
const DEFAULT_IDLE_TIMEOUT_MS = 5 * 60_000;
const DEFAULT_PATIENCE_MS = 30_000;
const MODELS_TIMEOUT_MS = 10_000;
/** Below the 5 s after which uvicorn closes an idle connection: a request never meets a dying one. */
const KEEP_ALIVE_MS = 4_000;
/** How long the end of the response may take after `[DONE]` for its connection to be used again. */
const LINGER_MS = 100;
/** Of an error's body; of a model list. */
const MAX_BODY_BYTES = 1024 * 1024;
/** Of an answer that does not come as a stream. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** Any server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, Ollama, hosted ones. */
export class OpenAiEngine implements Engine {
  readonly name = 'openai';
  readonly #options: OpenAiOptions;
  readonly #profile: Profile;
  readonly #address: UpstreamAddress;
  readonly #names: ModelNames;
  readonly #manners: Manners;
  /** By way of the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name. */
  readonly #agent = new EnvHttpProxyAgent({
    // Ours replace undici's 300 s, which would cut long queues and long thoughts.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
  });

  /** @throws TypeError when `upstream` is not an http or https URL, or has a password beside a key */
  constructor(options: OpenAiOptions) {
    this.#options = options;
    this.#profile = options.profile ?? 'openai';
    this.#manners = new Manners(factsOf(this.#profile).manners);
    this.#names = options.names ?? new ModelNames();
    const { upstream, apiKey } = options;
    this.#address = new UpstreamAddress({ upstream, apiKey, profile: this.#profile });
  }

  async models(signal: AbortSignal): Promise<readonly string[]> {
    const timeouts = { firstByteTimeoutMs: MODELS_TIMEOUT_MS, idleTimeoutMs: MODELS_TIMEOUT_MS };
    const call = new UpstreamCall(signal, timeouts);
    try {
      const { status } = await call.open(this.#agent, this.#address.target('GET', '/models'));
      const body = await bodyOf(call);
      // Not every server lists its models: those that are named are offered all the same.
      if (status >= 400 && status < 500 && this.#names.known.length > 0) return this.#names.known;
      if (status !== 200) throw statusFailure({ status, body: parsedOf(body) });
      return this.#names.offered(modelIds(body));
    } finally {
      await call.close();
    }
  }

  canContinue(prefix: readonly Token[]): boolean {
    return canContinueFrom(this.#profile, prefix);
  }

  async *generate(request: EngineRequest, signal: AbortSignal): EngineRun {
    signal.throwIfAborted();
    if (!this.canContinue(request.prefix))
      throw new TypeError(`prefix: expected one that profile ${this.#profile} can continue`);
    const continued = new ContinuedText(request.prefix);
    const model = this.#names.upstreamName(request.model);
    const body = requestBody(request, continued, {
      ...{ profile: this.#profile, model, rules: this.#options.rules ?? DEFAULT_RULES },
    });
    if (body === undefined) return { reason: 'length' };
    const { call, isDocument } = await this.#openPatiently(request, body, signal);
    try {
      const stream = new ChatStream(this.#options.messages);
      const tokens = isDocument
        ? stream.document(await bodyOf(call, MAX_DOCUMENT_BYTES))
        : tokensFrom(call, stream);
      for await (const token of tokens) {
        const fresh = continued.dropRepeated(token);
        if (fresh === undefined) continue;
        yield fresh;
        signal.throwIfAborted();
      }
      signal.throwIfAborted();
      return withPrefix(stream.end(), continued.tokens);
    } finally {
      // Awaited before the failure or the abort goes on to the caller, who may rely on it.
      await call.close();
    }
  }

  /** Running generations fail with upstream_unavailable. */
  async close(): Promise<void> {
    await this.#agent.destroy(new EngineError('upstream_unavailable', 'the engine was closed'));
  }

  /** As long as the upstream refuses only for the moment, and within bounds. */
  async #openPatiently(
    request: EngineRequest,
    body: RequestBody,
    signal: AbortSignal,
  ): Promise<{ readonly call: UpstreamCall; readonly isDocument: boolean }> {
    const { firstByteTimeoutMs = DEFAULT_FIRST_BYTE_TIMEOUT_MS, idleTimeoutMs = DEFAULT_IDLE_TIMEOUT_MS } =
      this.#options;
    const { onWaiting = () => undefined } = request;
    const patience = new Patience({ mostMs: this.#options.patienceMs ?? DEFAULT_PATIENCE_MS, onWaiting });
    for (;;) {
      const learned = this.#manners.count;
      const call = new UpstreamCall(signal, { firstByteTimeoutMs, idleTimeoutMs });
      try {
        return { call, isDocument: await this.#openStream(call, request, this.#manners.applied(body)) };
      } catch (error) {
        await call.close();
        if (this.#manners.count === learned) await patience.outlast(error, signal);
      }
    }
  }

  /** @returns whether the answer is one JSON document: not every server streams */
  async #openStream(call: UpstreamCall, request: EngineRequest, body: RequestBody): Promise<boolean> {
    const { generation, traceparent } = request;
    const target = this.#address.target('POST', '/chat/completions');
    const headers = {
      ...target.headers,
      accept: 'text/event-stream',
      // Servers use it as their own id and refuse one that is still running, hence new for every attempt.
      'x-request-id': `${generation}-${randomUUID().slice(0, 8)}`,
      ...(traceparent === undefined ? {} : { traceparent }),
      ...(this.#options.tellsAsker === false ? {} : askerHeaders(request)),
    };
    const { status, contentType, retryAfter } = await call.open(this.#agent, { ...target, headers, body });
    if (status !== 200) {
      const answer = { status, body: parsedOf(await bodyOf(call)), retryAfter };
      this.#manners.learnFrom(wordsOf(answer), body);
      throw statusFailure(answer, this.#options.messages);
    }
    if (/^text\/html\b/i.test(contentType))
      throw protocolFailure('the upstream answered with a web page, expected a stream of events');
    return /^application\/(?:[\w.-]+\+)?json\b/i.test(contentType);
  }
}

async function* tokensFrom(call: UpstreamCall, stream: ChatStream): AsyncGenerator<Token, void, void> {
  while (!stream.done) {
    const bytes = await readUnlessFinished(call, stream);
    if (bytes === undefined) {
      yield* stream.rest();
      return;
    }
    const { events } = stream;
    yield* stream.tokens(bytes);
    if (stream.events > events) call.progressed();
  }
  await linger(call);
}

/** A connection that breaks after the finish reason has cost us the usage figures, not the answer. */
const readUnlessFinished = async (
  call: UpstreamCall,
  stream: ChatStream,
): Promise<Uint8Array | undefined> => {
  try {
    return await call.read();
  } catch (error) {
    if (stream.finished && error instanceof EngineError) return undefined;
    throw error;
  }
};

/** Reads what follows `[DONE]`, normally nothing, so that the connection can be used again. */
const linger = async (call: UpstreamCall): Promise<void> => {
  try {
    while ((await call.read(LINGER_MS)) !== undefined);
  } catch (error) {
    // Then it is closed instead: slower for the next request, no failure of this one.
    if (!(error instanceof EngineError)) throw error;
  }
};

const bodyOf = async (call: UpstreamCall, most = MAX_BODY_BYTES): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let chunk = await call.read(); chunk !== undefined; chunk = await call.read()) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > most) break;
  }
  return Buffer.concat(chunks).toString('utf8');
};

const modelIds = (body: string): readonly string[] => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (cause) {
    throw protocolFailure('the upstream answered /models with something that is not JSON', cause);
  }
  const entries = fieldOf(parsed, 'data');
  if (!Array.isArray(entries)) throw protocolFailure('the upstream answered /models without a list');
  return entries.map((entry) => fieldOf(entry, 'id')).filter((id) => typeof id === 'string');
};

/** The server counted the continued text as prompt; to our reader it is part of the answer. */
const withPrefix = (end: EngineEnd, prefix: number): EngineEnd => {
  const usage: Usage | undefined = end.usage;
  if (usage === undefined || prefix === 0) return end;
  const { prompt_tokens, completion_tokens } = usage;
  return {
    ...end,
    usage: {
      ...usage,
      ...(prompt_tokens === undefined ? {} : { prompt_tokens: Math.max(0, prompt_tokens - prefix) }),
      ...(completion_tokens === undefined ? {} : { completion_tokens: completion_tokens + prefix }),
    },
  };
};
