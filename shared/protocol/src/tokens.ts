/** One chunk the engine yielded: plain text, or a piece of reasoning, of a refusal, of a tool call or of a part. */
export type Token = string | MarkedToken;

/** Kinds of the pieces that are no plain text. */
export const MARKED_KINDS = ['reasoning', 'tool_call', 'refusal', 'part'] as const;
export type MarkedKind = (typeof MARKED_KINDS)[number];
export type TokenKind = 'text' | MarkedKind;

/** Which tool call a piece belongs to. `id` and `name` come with the first piece of each call. */
export type ToolRef = { readonly index: number; readonly id?: string; readonly name?: string };

/** Which part a piece belongs to. `type` and `id` come with the first piece of each part. */
export type PartRef = { readonly index: number; readonly type?: string; readonly id?: string };

export type MarkedToken = {
  readonly kind: MarkedKind;
  /** of a part: a piece of the JSON of its `data` */
  readonly text: string;
  readonly tool?: ToolRef;
  readonly part?: PartRef;
};

export const kindOf = (token: Token): TokenKind => (typeof token === 'string' ? 'text' : token.kind);
export const textOf = (token: Token): string => (typeof token === 'string' ? token : token.text);
export const toolOf = (token: Token): ToolRef | undefined =>
  typeof token === 'string' ? undefined : token.tool;
export const partRefOf = (token: Token): PartRef | undefined =>
  typeof token === 'string' ? undefined : token.part;

/** One call the model wants made; `arguments` is the JSON text as the model wrote it. */
export type ToolCall = { readonly id: string; readonly name: string; readonly arguments: string };

/**
 * What an answer holds beside its texts and calls: a source, an image, what a server wants back with a call. Whoever does
 * not know a type passes it on untouched.
 */
export type Part = {
  readonly type: string;
  /** what it belongs to, such as a call's id */
  readonly id?: string;
  /** any JSON */
  readonly data: unknown;
};
