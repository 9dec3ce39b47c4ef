import type { Claimed } from '@sluice/lifecycle';
import type { Usage } from '@sluice/protocol';
import type { Clock, Span, Tracing } from '@sluice/runtime';

type Deps = {
  readonly tracing: Tracing;
  readonly clock: Clock;
  /** this worker's name */
  readonly worker: string;
  /** the engine's name */
  readonly provider: string;
};

/**
 * What the trace of a prompt shows of one attempt: how long it was queued, the attempt, and in it what the engine was
 * asked. Names after OpenTelemetry's conventions for generative AI where those have one.
 */
export class AttemptSpans {
  readonly #claimed: Claimed;
  readonly #deps: Deps;
  readonly #attempt: Span;
  #chat: Span | undefined;

  constructor(claimed: Claimed, deps: Deps) {
    const { key, item } = claimed;
    const { tracing, clock, worker } = deps;
    const { traceparent: parent, createdAt, attempt } = item;
    const named = { 'sluice.session': key.session, 'sluice.generation': key.generation };
    this.#claimed = claimed;
    this.#deps = deps;
    // How long a later attempt was queued is not known: it may have been parked before.
    if (attempt === 1)
      tracing.span('queue', { parent, startedAt: createdAt, attributes: named }).end({ at: clock.now() });
    const attributes = {
      ...named,
      'sluice.org': key.org,
      'sluice.attempt': attempt,
      'sluice.worker': worker,
    };
    this.#attempt = tracing.span('generation', { parent, kind: 'consumer', attributes });
  }

  /** The engine is asked. @returns the `traceparent` for its server */
  ask(): string | undefined {
    const { key, item } = this.#claimed;
    this.#chat ??= this.#deps.tracing.span(`chat ${item.model}`, {
      parent: this.#attempt.traceparent,
      kind: 'client',
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': this.#deps.provider,
        'gen_ai.request.model': item.model,
        'gen_ai.conversation.id': key.session,
      },
    });
    return this.#chat.traceparent;
  }

  firstToken(): void {
    this.#chat?.event('first_token');
  }

  /** The engine's answer ended by itself. */
  answered(usage: Usage | undefined): void {
    const { prompt_tokens: input, completion_tokens: output } = usage ?? {};
    this.#chat?.end({
      attributes: {
        ...(input === undefined ? {} : { 'gen_ai.usage.input_tokens': input }),
        ...(output === undefined ? {} : { 'gen_ai.usage.output_tokens': output }),
      },
    });
  }

  /** However it went; idempotent. @param seq tokens of the text by now */
  over(outcome: string, seq: number, error?: string): void {
    const told = { attributes: { 'gen_ai.response.finish_reasons': [outcome] }, error };
    this.#chat?.end(told);
    this.#attempt.end({ attributes: { 'sluice.outcome': outcome, 'sluice.seq': seq }, error });
  }
}
