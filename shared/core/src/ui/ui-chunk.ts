import type { End, PartRef, TokenKind, ToolRef } from '@sluice/protocol';
import type { JsonFields } from '../parts/known-part.ts';

/** The chunks of the AI SDK's UI message stream that an answer is made of. */
export type UiChunk =
  | { readonly type: 'start'; readonly messageId: string }
  | { readonly type: 'start-step' | 'reset-step' | 'finish-step' }
  | { readonly type: 'text-start' | 'text-end' | 'reasoning-start' | 'reasoning-end'; readonly id: string }
  | { readonly type: 'text-delta' | 'reasoning-delta'; readonly id: string; readonly delta: string }
  | { readonly type: 'tool-input-start'; readonly toolCallId: string; readonly toolName: string }
  | { readonly type: 'tool-input-delta'; readonly toolCallId: string; readonly inputTextDelta: string }
  | ToolInputChunk
  | PartChunk
  | { readonly type: 'finish'; readonly finishReason: FinishReason }
  | { readonly type: 'message-metadata'; readonly messageMetadata: UiMetadata }
  | { readonly type: 'abort'; readonly reason: string }
  | { readonly type: 'error'; readonly errorText: string };

/** Token counts under the AI SDK's names. */
export type UiUsage = {
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly totalTokens: number | undefined;
  readonly estimated?: true;
};

/** `error`: why there is no answer, or no more of it, by the code and in the words that every client gets. */
export type UiError = { readonly code: string; readonly message: string };
export type UiMetadata = { readonly usage?: UiUsage; readonly error?: UiError; readonly refusal?: true };
export type ToolInput = {
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: unknown;
  readonly providerMetadata?: UiProviderMetadata;
};
type ToolInputChunk =
  | (ToolInput & { readonly type: 'tool-input-available' })
  | (ToolInput & { readonly type: 'tool-input-error'; readonly errorText: string });
export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'other';

/** New tokens of one kind, joined: what a `delta` frame says. */
export type UiDelta = {
  readonly text: string;
  readonly kind?: TokenKind;
  readonly tool?: ToolRef;
  readonly part?: PartRef;
};

/** Tells one generation as chunks, from the first to the last. */
export interface UiWriter {
  start(): readonly UiChunk[];
  delta(delta: UiDelta): readonly UiChunk[];
  /** The text restarts from zero: what was told of it is void. */
  reset(): readonly UiChunk[];
  end(end: End): readonly UiChunk[];
}

/** What Sluice says of a part beside the SDK's own fields; the client sends it back with the part. */
export type UiProviderMetadata = { sluice: JsonFields };

/** The chunks of the AI SDK's UI message stream that parts become. */
export type PartChunk =
  | { readonly type: 'source-url'; readonly sourceId: string; readonly url: string; readonly title?: string }
  | { readonly type: 'file'; readonly url: string; readonly mediaType: string }
  | { readonly type: 'reasoning-end'; readonly id: string; readonly providerMetadata: UiProviderMetadata }
  | { readonly type: `data-${string}`; readonly id?: string; readonly data: unknown };
