import type { ChatMessage, EndReason, PromptParams, Token, UpstreamError, Usage } from '@sluice/protocol';

/** Whom an engine works for, for its own logs, quotas and bills. */
export type EngineAsker = { readonly org: string; readonly user: string; readonly session: string };

/** What the worker asks of an engine. */
export type EngineRequest = {
  /** the generation's id: for the upstream's request id, never for its output */
  readonly generation: string;
  /** who asks, and where; undefined: nobody is to know */
  readonly asker?: EngineAsker;
  readonly model: string;
  /** the conversation, oldest first, in OpenAI's shape; never empty */
  readonly messages: readonly ChatMessage[];
  readonly params: PromptParams;
  /**
   * Tokens that are already stored. Empty for a fresh run; else the engine goes on right after them
   * and yields only what follows. Only given to an engine whose {@link Engine.canContinue} allows it.
   */
  readonly prefix: readonly Token[];
  /** W3C `traceparent` for what it asks in turn */
  readonly traceparent?: string | undefined;
  /** called when the engine begins to wait for a server that refuses for the moment */
  readonly onWaiting?: () => void;
};

/** How an engine's output ended by itself. */
export type EngineEnd = {
  readonly reason: Extract<EndReason, 'stop' | 'length' | 'tool_calls' | 'content_filter'>;
  /** of the whole answer: a continued prefix counts as completion, not as prompt */
  readonly usage?: Usage;
};

/**
 * The output of one run: tokens as they come, then the end as the return value.
 * Pull-based: nobody asks for the next token while the lead is used up.
 * After its signal is aborted it settles promptly, having let go of the upstream: whoever awaits the
 * end of the iteration knows that the upstream connection is closed.
 */
export type EngineRun = AsyncGenerator<Token, EngineEnd, void>;

/** The model behind a worker. Engines know nothing of NATS, sessions or flow control. */
export interface Engine {
  readonly name: string;
  /** Names of the models it serves. @throws EngineError when the upstream cannot be reached */
  models(signal: AbortSignal): Promise<readonly string[]>;
  /** Whether a run can go on from these stored tokens instead of starting anew. */
  canContinue(prefix: readonly Token[]): boolean;
  /** How many tokens the whole answer has, where the engine can tell beforehand. Must not throw. */
  expectedTokens?(request: EngineRequest): number | undefined;
  /** @throws EngineError from the iteration; an abort ends it with the signal's reason */
  generate(request: EngineRequest, signal: AbortSignal): EngineRun;
  close(): Promise<void>;
}

export type EngineErrorCode =
  /** cannot be reached, broke off, or answered 5xx: another try may succeed */
  | 'upstream_unavailable'
  /** 429 */
  | 'upstream_overloaded'
  /** the request itself was refused (4xx): the same request fails again */
  | 'upstream_rejected'
  /** the answer does not follow the protocol (for example, the stream ended without a finish reason) */
  | 'upstream_protocol';

export type EngineErrorOptions = {
  /** what the server said, fit to be shown to users */
  readonly upstream?: UpstreamError | undefined;
  readonly status?: number;
  readonly isLost?: boolean;
  readonly cause?: unknown;
};

/** An engine failed. The message is safe to show to users: no credentials, prompts or output in it. */
export class EngineError extends Error {
  readonly code: EngineErrorCode;
  readonly status: number | undefined;
  readonly upstream: UpstreamError | undefined;
  /**
   * No connection, a broken one, or silence: whatever runs the model may be dead. What it was at can go on where
   * there is another one, or here once it is back.
   */
  readonly isLost: boolean;

  constructor(code: EngineErrorCode, message: string, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status;
    this.upstream = options.upstream;
    this.isLost = options.isLost ?? false;
  }
}
