import type { BodyRef } from './bodies.ts';
import type { EndReason, GenerationError, Receipt, Usage } from './records.ts';
import type { Part, ToolCall } from './tokens.ts';

export const ITEM_STATUSES = ['queued', 'running', 'parked', 'done'] as const;
export type ItemStatus = (typeof ITEM_STATUSES)[number];
export const LEADS = ['adaptive', 'strict'] as const;
export type Lead = (typeof LEADS)[number];
/** Which viewer's ack counts for a generation. */
export const GOVERNORS = ['fastest', 'owner', 'slowest', 'none'] as const;
export type Governor = (typeof GOVERNORS)[number];
/** What becomes of a generation that nobody watches. */
export const ABANDON_POLICIES = ['park', 'finish', 'cancel'] as const;
export type OnAbandon = (typeof ABANDON_POLICIES)[number];

/** One chat message in OpenAI's shape. Content parts other than text pass through to the engine. */
export type ChatMessage = {
  readonly role: string;
  readonly content?: string | readonly unknown[] | null;
  readonly [field: string]: unknown;
};

export type PromptParams = {
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly seed?: number;
  readonly stop?: string | readonly string[];
  readonly tools?: readonly unknown[];
  readonly tool_choice?: unknown;
  readonly [param: string]: unknown;
};

/** What is asked of the model. Its canonical hash decides whether a repeated id is the same prompt. */
export type PromptBody = {
  readonly model?: string;
  readonly input?: string;
  readonly messages?: readonly ChatMessage[];
  /** with `messages`: they follow what the session holds, as `input` does */
  readonly history?: 'session';
  readonly params?: PromptParams;
  readonly lead?: Lead;
  readonly governor?: Governor;
  readonly onAbandon?: OnAbandon;
  /** W3C `traceparent` of the client's own trace; not a part of what makes two prompts the same */
  readonly traceparent?: string;
};

export type GenerationItem = {
  readonly id: string;
  readonly kind: 'generation';
  /** JetStream sequence of this version of the item */
  readonly rev: number;
  readonly user: string;
  /** ms since the Unix epoch */
  readonly createdAt: number;
  readonly model: string;
  /**
   * what the person typed, for display: the prompt's `input` or the last user message; only its beginning where
   * `bodies.input` is there
   */
  readonly input: string;
  readonly governor: Governor;
  readonly status: ItemStatus;
  readonly attempt: number;
  readonly epoch: number;
  readonly seq: number;
  readonly text?: string;
  readonly reasoning?: string;
  /** why the model did not answer, in its words */
  readonly refusal?: string;
  readonly toolCalls?: readonly ToolCall[];
  readonly parts?: readonly Part[];
  /** the beginning of the text, where `bodies.answer` is there */
  readonly preview?: string;
  /** what is too large for the item. `answer`: the fields of {@link Answer} */
  readonly bodies?: { readonly input?: BodyRef; readonly answer?: BodyRef };
  readonly reason?: EndReason;
  readonly usage?: Usage;
  readonly error?: GenerationError;
  readonly receipt?: Receipt;
};

export type MessageItem = {
  readonly id: string;
  readonly kind: 'message';
  readonly rev: number;
  readonly user: string;
  readonly createdAt: number;
  /** only its beginning where `bodies.message` is there */
  readonly text: string;
  readonly data?: unknown;
  /** what is too large for the item: `text` and `data` */
  readonly bodies?: { readonly message?: BodyRef };
};

export type Item = GenerationItem | MessageItem;

/** The fields of an item that deltas carry. */
export type Answer = Pick<GenerationItem, 'text' | 'reasoning' | 'refusal' | 'toolCalls' | 'parts'>;

/** A generation without the answer that it holds. */
export const withoutSaid = <Generation extends Answer>(item: Generation): Omit<Generation, keyof Answer> => {
  const {
    text: _text,
    reasoning: _reasoning,
    refusal: _refusal,
    toolCalls: _calls,
    parts: _parts,
    ...rest
  } = item;
  return rest;
};

/** A generation without its answer, wherever that is. */
export const withoutAnswer = <Generation extends Pick<GenerationItem, keyof Answer | 'preview' | 'bodies'>>(
  item: Generation,
) => {
  const { preview: _preview, bodies, ...rest } = withoutSaid(item);
  return bodies?.input === undefined ? rest : { ...rest, bodies: { input: bodies.input } };
};

/** The item without the fields that deltas carry: what an `item` frame announces. */
export const withoutText = (item: Item): Item => (item.kind === 'message' ? item : withoutAnswer(item));
