import { kindOf, partRefOf, textOf, toolOf } from '@sluice/protocol';
import type { End, EndReason, GenerationError, Token, ToolRef, Usage } from '@sluice/protocol';
import type {
  FinishReason,
  ToolInput,
  UiChunk,
  UiDelta,
  UiError,
  UiMetadata,
  UiUsage,
  UiWriter,
} from './ui-chunk.ts';

type OpenPart = { readonly kind: 'text' | 'reasoning'; readonly id: string };
type OpenCall = { readonly toolCallId: string; readonly toolName: string; arguments: string };

const FINISH_REASONS: Readonly<Record<Exclude<EndReason, 'cancelled' | 'error'>, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool-calls',
  content_filter: 'content-filter',
  abandoned: 'other',
};

/** Its calls were not written to their end, or nobody wants them carried out any more. */
const CUT_SHORT: ReadonlySet<EndReason> = new Set(['cancelled', 'error', 'abandoned']);

/**
 * Tells the texts and calls of one generation as chunks of a UI message; `UiPartsWriter` tells the rest. However its tokens are joined into deltas, the message
 * that a client puts together is the same; ids depend on the tokens alone, so every replay repeats them.
 */
export class UiChunkWriter implements UiWriter {
  readonly #generation: string;
  readonly #messageId: string;
  #parts = 0;
  #part: OpenPart | undefined;
  readonly #calls = new Map<number, OpenCall>();

  /** @param messageId of the message that the chunks belong to, which may have parts of earlier steps */
  constructor(generation: string, messageId: string) {
    this.#generation = generation;
    this.#messageId = messageId;
  }

  start(): readonly UiChunk[] {
    return [{ type: 'start', messageId: this.#messageId }, { type: 'start-step' }];
  }

  delta({ text, kind = 'text', tool }: UiDelta): readonly UiChunk[] {
    if (kind === 'tool_call') return this.#callDelta(text, tool ?? { index: 0 });
    if (text === '') return [];
    const { part, chunks } = this.#partOf(kind === 'reasoning' ? kind : 'text');
    return [...chunks, { type: `${part.kind}-delta`, id: part.id, delta: text }];
  }

  /** The text restarts from zero: what was told of it is void. */
  reset(): readonly UiChunk[] {
    if (this.#parts === 0 && this.#calls.size === 0) return [];
    this.#parts = 0;
    this.#part = undefined;
    this.#calls.clear();
    return [{ type: 'reset-step' }];
  }

  end({ reason, error, usage }: End): readonly UiChunk[] {
    const counted = usage === undefined ? [] : [metadataOf({ usage: uiUsageOf(usage) })];
    const calls = CUT_SHORT.has(reason) ? [] : this.#finishedCalls();
    const closing = [...this.#closePart(), ...calls, ...counted];
    if (reason === 'cancelled') return [...closing, { type: 'abort', reason }];
    if (reason === 'error') {
      const { code, message, upstream } = error ?? RUN_FAILED;
      return [
        ...closing,
        ...uiErrorOf({ code: upstream?.code ?? code, message: upstream?.message ?? message }),
      ];
    }
    return [...closing, { type: 'finish-step' }, { type: 'finish', finishReason: FINISH_REASONS[reason] }];
  }

  #partOf(kind: OpenPart['kind']): { readonly part: OpenPart; readonly chunks: readonly UiChunk[] } {
    if (this.#part?.kind === kind) return { part: this.#part, chunks: [] };
    const closing = this.#closePart();
    this.#parts += 1;
    const part: OpenPart = { kind, id: `${this.#generation}-${this.#parts}` };
    this.#part = part;
    return { part, chunks: [...closing, { type: `${kind}-start`, id: part.id }] };
  }

  #closePart(): readonly UiChunk[] {
    if (this.#part === undefined) return [];
    const { kind, id } = this.#part;
    this.#part = undefined;
    return [{ type: `${kind}-end`, id }];
  }

  #callDelta(text: string, { index, id, name }: ToolRef): readonly UiChunk[] {
    const chunks: UiChunk[] = [...this.#closePart()];
    let call = this.#calls.get(index);
    if (call === undefined) {
      const toolCallId = id ?? `${this.#generation}-call-${index}`;
      call = { toolCallId, toolName: name ?? 'unnamed', arguments: '' };
      this.#calls.set(index, call);
      chunks.push({ type: 'tool-input-start', toolCallId, toolName: call.toolName });
    }
    call.arguments += text;
    if (text !== '')
      chunks.push({ type: 'tool-input-delta', toolCallId: call.toolCallId, inputTextDelta: text });
    return chunks;
  }

  /** Only the end says that a call's arguments are whole: pieces of several calls may come in turns. */
  #finishedCalls(): readonly UiChunk[] {
    return [...this.#calls]
      .toSorted(([left], [right]) => left - right)
      .map(([, { arguments: text, ...call }]) => toolInputOf(call, text));
  }
}

const RUN_FAILED: GenerationError = { code: 'internal_error', message: 'the run failed' };

const metadataOf = (messageMetadata: UiMetadata): UiChunk => ({ type: 'message-metadata', messageMetadata });

/** The SDK's own word for an error has no room for a code. */
export const uiErrorOf = ({ code, message }: UiError): readonly UiChunk[] => [
  metadataOf({ error: { code, message } }),
  { type: 'error', errorText: message },
];

const uiUsageOf = ({ prompt_tokens, completion_tokens, total_tokens, estimated }: Usage): UiUsage => ({
  inputTokens: prompt_tokens,
  outputTokens: completion_tokens,
  totalTokens: total_tokens ?? (prompt_tokens ?? 0) + (completion_tokens ?? 0),
  ...(estimated === true ? { estimated } : {}),
});

const toolInputOf = (call: Omit<ToolInput, 'input'>, text: string): UiChunk => {
  try {
    // A call without arguments is written as nothing at all by some models.
    const input: unknown = text.trim() === '' ? {} : JSON.parse(text);
    return { type: 'tool-input-available', ...call, input };
  } catch {
    return { type: 'tool-input-error', ...call, input: text, errorText: 'the arguments are not JSON' };
  }
};

/** One token as a delta. */
export const uiDeltaOf = (token: Token): UiDelta => {
  const tool = toolOf(token);
  const part = partRefOf(token);
  return {
    ...{ text: textOf(token), kind: kindOf(token) },
    ...(tool === undefined ? {} : { tool }),
    ...(part === undefined ? {} : { part }),
  };
};
