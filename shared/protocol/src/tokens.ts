/** One chunk the engine yielded: plain text, or a piece of reasoning or of a tool call. */
export type Token = string | MarkedToken;

/** Kinds of the pieces that are no plain text. */
export const MARKED_KINDS = ['reasoning', 'tool_call'] as const;
export type MarkedKind = (typeof MARKED_KINDS)[number];
export type TokenKind = 'text' | MarkedKind;

/** Which tool call a piece belongs to. `id` and `name` come with the first piece of each call. */
export type ToolRef = { readonly index: number; readonly id?: string; readonly name?: string };

export type MarkedToken = {
  readonly kind: MarkedKind;
  readonly text: string;
  readonly tool?: ToolRef;
};

export const kindOf = (token: Token): TokenKind => (typeof token === 'string' ? 'text' : token.kind);
export const textOf = (token: Token): string => (typeof token === 'string' ? token : token.text);
export const toolOf = (token: Token): ToolRef | undefined =>
  typeof token === 'string' ? undefined : token.tool;

/** One call the model wants made; `arguments` is the JSON text as the model wrote it. */
export type ToolCall = { readonly id: string; readonly name: string; readonly arguments: string };
